-- why     within the allowed lateness a late row corrects the result that was given
-- set     table.exec.emit.late-fire.enabled = true
--         table.exec.emit.allow-lateness = 5 min
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,1,00:02:00
--         a,2,00:00:10
--         a,4,00:00:20
-- expect  k,window_start,total
--         a,00:00:00,7
--         b,00:02:00,1
-- changes +I a,00:00:00,1
--         -U a,00:00:00,1
--         +U a,00:00:00,3
--         -U a,00:00:00,3
--         +U a,00:00:00,7
--         +I b,00:02:00,1
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT k, window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
