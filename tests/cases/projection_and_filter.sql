-- why     the plainest query: compute columns, keep some rows
-- input   bids: k STRING, v INT
--         a,1
--         b,20
--         c,30
-- expect  k,double
--         b,40
--         c,60
-- targets flink, spark
SELECT k, v * 2 AS `double` FROM bids WHERE v >= 20
