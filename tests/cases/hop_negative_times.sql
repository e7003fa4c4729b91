-- why     before 1970 a window's start is below the row, never above it
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,1969-12-31 23:59:55
--         2,00:00:02
-- expect  window_start,s
--         1969-12-31 23:59:40,1
--         1969-12-31 23:59:50,3
--         00:00:00,2
SELECT window_start, SUM(v) AS s
FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
GROUP BY window_start, window_end
