-- why     windows that grow also grow by the clock
-- input   t: v INT
-- input   t at 12:00:10
--         1
-- input   t at 12:01:10
--         2
-- expect  window_start,window_end,total
--         12:00:00,12:01:00,1
--         12:00:00,12:02:00,3
--         12:00:00,12:03:00,3
-- targets flink gap: processing time cannot be set there
SELECT window_start, window_end, SUM(v) AS total
FROM TABLE(CUMULATE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE, INTERVAL '3' MINUTE))
GROUP BY window_start, window_end
