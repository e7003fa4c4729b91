-- why     early results come at most once per delay; in between changes gather
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 10 s
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   t at 12:00:00
--         a,1,00:00:05
-- input   t at 12:00:05
--         a,2,00:00:06
-- input   t at 12:00:11
--         a,4,00:00:07
-- input   t at 12:00:12
--         a,8,00:00:08
-- expect  k,total
--         a,15
-- changes +I a,7
--         -U a,7
--         +U a,15
-- targets flink gap: processing time cannot be set there
SELECT k, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
