-- why     a key may come to a window first when that has ended: its result comes then
-- set     table.exec.emit.allow-lateness = 1 h
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,1,00:10:00
--         b,2,00:00:10
-- expect  k,window_start,total
--         a,00:00:00,1
--         a,00:10:00,1
--         b,00:00:00,2
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT k, window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
