-- why     what is added to a pane cannot be subtracted again where it is infinite
-- input   t: v DOUBLE, ts TIMESTAMP(3); watermark ts - 0s
--         inf,00:00:01
--         0.1,00:00:11
--         0.2,00:00:21
--         nan,00:00:31
--         0.3,00:00:41
--         0.4,00:00:51
-- expect  window_start,s
--         1969-12-31 23:59:50,inf
--         00:00:00,inf
--         00:00:10,0.3
--         00:00:20,nan
--         00:00:30,nan
--         00:00:40,0.7
--         00:00:50,0.4
SELECT window_start, SUM(v) AS s
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)
GROUP BY window_start, window_end
