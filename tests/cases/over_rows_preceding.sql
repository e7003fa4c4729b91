-- why     the last three rows: one more comes in, the oldest goes out
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         b,9,00:00:03
--         a,4,00:00:04
--         a,8,00:00:05
-- expect  k,v,s,n,lo,hi,mean
--         a,1,1,1,1,1,1
--         a,2,3,2,1,2,1
--         b,9,9,1,9,9,9
--         a,4,7,3,1,4,2
--         a,8,14,3,2,8,4
SELECT k, v, SUM(v) OVER w AS s, COUNT(*) OVER w AS n, MIN(v) OVER w AS lo, MAX(v) OVER w AS hi,
  AVG(v) OVER w AS mean
FROM t WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
