-- why     a text that is no number rejects its row; TRY_CAST gives NULL instead
-- input   bids: k STRING, s STRING
--         a,12
--         b,twelve
-- expect  k,n
--         a,12
-- rejected twelve | "k":"b"
SELECT k, CAST(s AS INT) AS n FROM bids
