-- why     minutes add up to ten minutes, these to hours
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,total,tens
--         00:00:00,31,2
WITH minutes AS (
  SELECT window_time AS t1, SUM(v) AS v1
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end, window_time),
tens AS (
  SELECT window_time AS t2, SUM(v1) AS v2
  FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(t1), INTERVAL '10' MINUTE))
  GROUP BY window_start, window_end, window_time)
SELECT window_start, SUM(v2) AS total, COUNT(*) AS tens
FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(t2), INTERVAL '1' HOUR))
GROUP BY window_start, window_end
