-- why     AVG of integers is an integer, cut towards zero, as in Flink
-- input   bids: v INT
--         -7
--         2
--         1
-- expect  mean
--         -1
SELECT AVG(v) AS mean FROM bids
