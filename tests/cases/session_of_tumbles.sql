-- why     a session over windows: busy minutes that follow one another
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:10
--         a,00:01:10
--         a,00:02:20
--         a,00:10:00
-- expect  busy_from,busy_to,minutes
--         00:00:59.999,00:03:59.999,3
--         00:10:59.999,00:11:59.999,1
WITH minutes AS (
  SELECT window_time AS minute_time, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end, window_time
)
SELECT window_start AS busy_from, window_end AS busy_to, COUNT(*) AS minutes
FROM TABLE(SESSION(TABLE minutes, DESCRIPTOR(minute_time), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
