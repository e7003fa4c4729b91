-- why     what reads late results over an aggregate of them takes them back
-- set     table.exec.emit.late-fire.enabled = true
--         table.exec.emit.late-fire.delay = 0 s
--         table.exec.emit.allow-lateness = 1 h
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:03:00
--         b,4,00:00:40
--         a,8,00:00:50
-- expect  k,most,windows
--         a,9,2
--         b,4,1
SELECT k, MAX(total) AS most, COUNT(*) AS windows FROM (
  SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS ws, SUM(v) AS total
  FROM t GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE))
GROUP BY k
