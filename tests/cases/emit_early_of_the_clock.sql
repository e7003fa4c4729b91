-- why     windows of processing time give early results too
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 20 s
-- input   t: v INT
-- input   t at 12:00:00
--         1
-- input   t at 12:00:30
--         2
-- tick    12:01:00
-- expect  window_start,total
--         12:00:00,3
-- changes +I 12:00:00,1
--         -U 12:00:00,1
--         +U 12:00:00,3
-- targets flink gap: processing time cannot be set there
SELECT window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
