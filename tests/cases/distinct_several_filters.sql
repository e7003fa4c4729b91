-- why     DISTINCT aggregates of one column count each by their own filter's rows
-- input   bids: k STRING, v INT, p INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,7,1,00:00:05
--         a,7,2,00:00:06
--         a,8,2,00:00:07
--         a,NULL,1,00:00:08
--         b,7,1,00:00:09
--         a,8,2,00:00:10
--         a,9,NULL,00:00:11
-- expect  k,all_of_them,low,high,high_sum,never
--         a,3,1,2,15,NULL
--         b,1,1,0,NULL,NULL
SELECT k, COUNT(DISTINCT v) AS all_of_them, COUNT(DISTINCT v) FILTER (WHERE p < 2) AS low,
  COUNT(DISTINCT v) FILTER (WHERE p >= 2) AS high, SUM(DISTINCT v) FILTER (WHERE p >= 2) AS high_sum,
  SUM(DISTINCT v) FILTER (WHERE p > 9) AS never
FROM bids GROUP BY k
