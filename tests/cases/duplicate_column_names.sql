-- why     the second of two columns of one name gets a number, as in Flink
-- input   bids: k STRING, v INT
--         a,1
-- expect  k,k0
--         a,1
SELECT k, v AS k FROM bids
