-- why     with a delay of zero each batch tells how its windows stand
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:00:40
--         a,8,00:01:10
-- expect  k,window_start,window_end,total
--         a,00:00:00,00:01:00,3
--         b,00:00:00,00:01:00,4
--         a,00:01:00,00:02:00,8
-- changes +I a,00:00:00,00:01:00,1
--         -U a,00:00:00,00:01:00,1
--         +U a,00:00:00,00:01:00,3
--         +I b,00:00:00,00:01:00,4
--         +I a,00:01:00,00:02:00,8
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
