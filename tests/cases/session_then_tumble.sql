-- why     sessions carry their window's time on: counted by the hour they ended in
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:10:00
--         b,00:20:00
--         a,00:50:00
--         a,02:00:00
-- expect  hour_start,sessions
--         00:00:00,2
--         01:00:00,1
--         02:00:00,1
WITH sessions AS (
  SELECT k, window_time AS ended
  FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '20' MINUTE))
  GROUP BY k, window_start, window_end, window_time
)
SELECT window_start AS hour_start, COUNT(*) AS sessions
FROM TABLE(TUMBLE(TABLE sessions, DESCRIPTOR(ended), INTERVAL '1' HOUR))
GROUP BY window_start, window_end
