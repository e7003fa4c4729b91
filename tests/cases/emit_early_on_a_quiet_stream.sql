-- why     an early result does not wait for a further row: the clock alone gives it
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 10 s
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   t at 12:00:00
--         a,1,00:00:05
-- tick    12:00:09
-- tick    12:00:10
-- input   t at 12:00:30
--         a,2,00:02:00
-- expect  k,total
--         a,1
--         a,2
-- changes +I a,1
--         +I a,2
-- targets flink gap: processing time cannot be set there
SELECT k, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
