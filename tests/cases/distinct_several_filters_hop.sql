-- why     each filter's values leave a sliding window with their own rows
-- input   bids: v INT, p INT, ts TIMESTAMP(3); watermark ts - 0s
--         7,1,00:00:05
--         7,2,00:00:15
--         8,2,00:00:16
--         7,1,00:00:25
-- expect  ends,all_of_them,low,high,high_sum
--         00:00:10,1,1,0,NULL
--         00:00:20,2,1,2,15
--         00:00:30,2,1,2,15
--         00:00:40,1,1,0,NULL
-- targets flink gap: SUM(DISTINCT) does not take values back out of a HOP there
SELECT CAST(window_end AS TIME) AS ends, COUNT(DISTINCT v) AS all_of_them,
  COUNT(DISTINCT v) FILTER (WHERE p = 1) AS low, COUNT(DISTINCT v) FILTER (WHERE p = 2) AS high,
  SUM(DISTINCT v) FILTER (WHERE p = 2) AS high_sum
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end
