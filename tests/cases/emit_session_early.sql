-- why     a session that grows takes its early result back and gives it anew under its new bounds
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:05:00
-- expect  k,window_start,window_end,total
--         a,00:00:05,00:01:35,3
--         b,00:05:00,00:06:00,4
-- changes +I a,00:00:05,00:01:05,1
--         -D a,00:00:05,00:01:05,1
--         +I a,00:00:05,00:01:35,3
--         +I b,00:05:00,00:06:00,4
-- targets flink gap: sessions have no early and late results there
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
