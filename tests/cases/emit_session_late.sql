-- why     a session that was given takes late rows in for the lateness allowed
-- set     table.exec.emit.late-fire.enabled = true
--         table.exec.emit.late-fire.delay = 0 s
--         table.exec.emit.allow-lateness = 5 min
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,1,00:03:00
--         a,2,00:00:30
--         b,1,00:06:45
--         a,4,00:00:10
-- expect  k,ws,we,total
--         a,00:00:00,00:01:30,3
--         b,00:03:00,00:04:00,1
--         b,00:06:45,00:07:45,1
-- late    a,4,00:00:10
-- targets flink gap: sessions have no early and late results there
SELECT k, SESSION_START(ts, INTERVAL '1' MINUTE) AS ws, SESSION_END(ts, INTERVAL '1' MINUTE) AS we, SUM(v) AS total
FROM t GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE)
