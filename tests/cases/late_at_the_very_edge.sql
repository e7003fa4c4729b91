-- why     a window is closed once the mark is its last millisecond, not a millisecond sooner
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:59.998
--         2,00:00:01
--         4,00:00:59.999
--         8,00:00:02
-- expect  window_start,s
--         00:00:00,7
-- late    8,00:00:02
SELECT window_start, SUM(v) AS s
FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end
