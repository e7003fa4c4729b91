-- why     a sliding window over the results of a tumbling one
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,window_end,total
--         1969-12-31 23:55:00,1970-01-01 00:05:00,7
--         1970-01-01 00:00:00,1970-01-01 00:10:00,15
--         1970-01-01 00:05:00,1970-01-01 00:15:00,24
--         1970-01-01 00:10:00,1970-01-01 00:20:00,16
WITH minutes AS (
  SELECT window_time AS `at`, SUM(v) AS part
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end, window_time)
SELECT window_start, window_end, SUM(part) AS total
FROM TABLE(HOP(TABLE minutes, DESCRIPTOR(`at`), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
