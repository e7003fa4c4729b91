-- why     the values of two sessions that become one are counted once under each filter
-- input   bids: v INT, p INT, ts TIMESTAMP(3); watermark ts - 20s
--         7,1,00:00:05
--         7,2,00:00:19
--         8,2,00:00:20
--         7,1,00:00:12
-- expect  starts,all_of_them,low,high,high_sum
--         00:00:05,2,1,2,15
SELECT CAST(window_start AS TIME) AS starts, COUNT(DISTINCT v) AS all_of_them,
  COUNT(DISTINCT v) FILTER (WHERE p = 1) AS low, COUNT(DISTINCT v) FILTER (WHERE p = 2) AS high,
  SUM(DISTINCT v) FILTER (WHERE p = 2) AS high_sum
FROM TABLE(SESSION(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end
