-- why     without a watermark nobody has looked at the time yet: a row without one is rejected
-- input   t: v INT, ts TIMESTAMP(3)
--         1,00:00:05
--         2,NULL
--         4,00:00:50
-- expect  window_start,total
--         00:00:00,5
-- rejected  the window's time 'ts' is NULL | "v":2
-- targets flink gap: it stops at such a row
SELECT window_start, SUM(v) AS total FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
