-- why     early and late results of sliding windows together
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 0 s
--         table.exec.emit.late-fire.enabled = true
--         table.exec.emit.late-fire.delay = 0 s
--         table.exec.emit.allow-lateness = 1 min
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:40
--         2,00:02:10
--         4,00:00:50
--         8,00:04:00
-- expect  ws,total
--         1969-12-31 23:59:00,1
--         1970-01-01 00:00:00,5
--         1970-01-01 00:01:00,2
--         1970-01-01 00:02:00,2
--         1970-01-01 00:03:00,8
--         1970-01-01 00:04:00,8
SELECT HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) AS ws, SUM(v) AS total
FROM t GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)
