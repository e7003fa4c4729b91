-- why     an offset moves every window; rows before the first whole one still have theirs
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:05
--         2,00:00:15
-- expect  window_start,window_end,s
--         1969-12-31 23:59:50,00:00:10,1
--         00:00:00,00:00:20,3
--         00:00:10,00:00:30,2
SELECT window_start, window_end, SUM(v) AS s
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND, INTERVAL '10' SECOND)
GROUP BY window_start, window_end
