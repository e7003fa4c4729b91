-- why     minutes add up to hours: results carry their window's time on
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:30:00
--         a,8,01:00:01
-- expect  hour_start,total,minutes
--         00:00:00,7,2
--         01:00:00,8,1
WITH minutes AS (
  SELECT window_time AS rowtime, SUM(v) AS total
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end, window_time
)
SELECT window_start AS hour_start, SUM(total) AS total, COUNT(*) AS minutes
FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(rowtime), INTERVAL '1' HOUR))
GROUP BY window_start, window_end
