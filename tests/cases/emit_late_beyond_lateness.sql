-- why     a row later than the allowed lateness is late, to the millisecond
-- set     table.exec.emit.allow-lateness = 1 min
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,1,00:01:59.998
--         a,2,00:00:10
--         b,1,00:01:59.999
--         a,4,00:00:20
-- expect  k,window_start,total
--         a,00:00:00,3
--         b,00:01:00,2
-- late    a,4,00:00:20
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT k, window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
