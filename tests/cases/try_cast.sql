-- why     TRY_CAST is the way to say that a bad value is no value
-- input   bids: k STRING, s STRING
--         a,12
--         b,twelve
-- expect  k,n
--         a,12
--         b,NULL
SELECT k, TRY_CAST(s AS INT) AS n FROM bids
