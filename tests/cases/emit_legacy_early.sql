-- why     Flink's own early results: what stands at the end is what stands without them
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 0 s
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:00:40
--         a,8,00:01:10
-- expect  k,ws,total,n
--         a,00:00:00,3,2
--         b,00:00:00,4,1
--         a,00:01:00,8,1
SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS ws, SUM(v) AS total, COUNT(*) AS n
FROM t GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)
