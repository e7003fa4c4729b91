-- why     a late row corrects those of its sliding windows that are not forgotten
-- set     table.exec.emit.early-fire.enabled = true
--         table.exec.emit.allow-lateness = 1 min
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:40
--         2,00:02:10
--         4,00:00:50
--         8,00:04:00
-- expect  window_start,window_end,total
--         1969-12-31 23:59:00,1970-01-01 00:01:00,1
--         1970-01-01 00:00:00,1970-01-01 00:02:00,5
--         1970-01-01 00:01:00,1970-01-01 00:03:00,2
--         1970-01-01 00:02:00,1970-01-01 00:04:00,2
--         1970-01-01 00:03:00,1970-01-01 00:05:00,8
--         1970-01-01 00:04:00,1970-01-01 00:06:00,8
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT window_start, window_end, SUM(v) AS total
FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
GROUP BY window_start, window_end
