-- why     LAG looks a number of rows back in its partition, over the ends of batches
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         b,9,00:00:03
--         a,NULL,00:00:04
--         a,8,00:00:05
-- expect  k,v,before,two,same
--         a,1,NULL,-1,1
--         a,2,1,-1,2
--         b,9,NULL,-1,9
--         a,NULL,2,1,NULL
--         a,8,NULL,2,8
SELECT k, v, LAG(v) OVER w AS before, LAG(v, 2, -1) OVER w AS two, LAG(v, 0) OVER w AS same
FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)
