-- why     a row counts in every window of processing time that holds its reading
-- input   t: v INT
-- input   t at 12:00:10
--         1
-- input   t at 12:00:50
--         2
-- tick    12:02:30
-- expect  window_start,window_end,total
--         11:59:30,12:00:30,1
--         12:00:00,12:01:00,3
--         12:00:30,12:01:30,2
-- targets flink gap: processing time cannot be set there
SELECT window_start, window_end, SUM(v) AS total
FROM TABLE(HOP(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
