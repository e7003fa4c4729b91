-- why     Flink's own early results of sessions, read by an aggregate over them
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.early-fire.delay = 0 s
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1m
--         a,1,00:00:00
--         a,2,00:01:30
--         a,4,00:00:50
--         b,8,00:01:00
--         a,16,00:09:00
-- expect  k,sessions,most
--         a,2,16
--         b,1,8
-- targets flink gap: sessions have no early and late results there
SELECT k, COUNT(*) AS sessions, MAX(total) AS most FROM (
  SELECT k, SESSION_START(ts, INTERVAL '1' MINUTE) AS ws, SUM(v) AS total
  FROM t GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE))
GROUP BY k
