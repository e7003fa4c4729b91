-- why     decimals are exact, also when panes are added and taken off
-- input   t: v DECIMAL(20, 4), ts TIMESTAMP(3); watermark ts - 0s
--         9999999999999999.9999,00:00:01
--         0.0001,00:00:11
--         -0.0003,00:00:21
-- expect  window_start,s
--         1969-12-31 23:59:50,9999999999999999.9999
--         00:00:00,10000000000000000.0000
--         00:00:10,-0.0002
--         00:00:20,-0.0003
SELECT window_start, SUM(v) AS s
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)
GROUP BY window_start, window_end
