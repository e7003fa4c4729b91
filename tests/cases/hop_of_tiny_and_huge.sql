-- why     1e20 that has left the window must not have swallowed the 1 that stays
-- input   t: v DOUBLE, ts TIMESTAMP(3); watermark ts - 0s
--         1e20,00:00:01
--         1,00:00:11
--         2,00:00:21
-- expect  window_start,s
--         1969-12-31 23:59:50,1e20
--         00:00:00,1e20
--         00:00:10,3
--         00:00:20,2
SELECT window_start, SUM(v) AS s
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)
GROUP BY window_start, window_end
