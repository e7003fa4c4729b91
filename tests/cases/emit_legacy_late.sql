-- why     Flink's own late results: the older windows take late rows in for the lateness allowed
-- set     table.exec.emit.late-fire.enabled = true
--         table.exec.emit.late-fire.delay = 0 s
--         table.exec.emit.allow-lateness = 2 min
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,1,00:02:00
--         a,2,00:00:10
--         a,4,00:00:20
--         b,1,00:03:30
--         b,8,00:00:50
--         b,16,00:01:50
-- expect  k,ws,we,total
--         a,00:00:00,00:01:00,7
--         b,00:01:00,00:02:00,16
--         b,00:02:00,00:03:00,1
--         b,00:03:00,00:04:00,1
-- late    b,8,00:00:50
SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS ws, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS we, SUM(v) AS total
FROM t GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)
