-- why     without the settings a window gives its result once, at its end
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:40
--         2,00:00:50
--         4,00:01:10
-- expect  window_start,total
--         00:00:00,3
--         00:01:00,4
-- changes +I 00:00:00,3
--         +I 00:01:00,4
SELECT window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
