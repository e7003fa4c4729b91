-- why     a row read at the very end of a window belongs to the next one
-- input   t: v INT
-- input   t at 12:00:59.999
--         1
-- input   t at 12:01:00
--         2
-- expect  window_start,total
--         12:00:00,1
--         12:01:00,2
-- targets flink gap: processing time cannot be set there
SELECT window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
