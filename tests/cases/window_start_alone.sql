-- why     grouping by one bound only is an ordinary, updating group over the window's rows
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:01
--         2,00:01:01
--         4,00:00:02
-- expect  window_start,s
--         00:00:00,5
--         00:01:00,2
SELECT window_start, SUM(v) AS s FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start
