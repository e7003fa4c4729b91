-- why     what reads early results takes them back with their changes
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.allow-lateness = 1 h
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:00:40
--         a,8,00:03:00
--         b,16,00:00:50
-- expect  k,most,windows
--         a,8,2
--         b,20,1
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT k, MAX(total) AS most, COUNT(*) AS windows FROM (
  SELECT k, window_start, window_end, SUM(v) AS total
  FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY k, window_start, window_end)
GROUP BY k
