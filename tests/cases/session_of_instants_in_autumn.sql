-- why     the hour that comes twice parts rows by an hour, though the clock shows the same time
-- set     table.local-time-zone = Europe/Berlin
-- input   t: k STRING, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2026-10-25 00:10:00Z
--         a,2026-10-25 00:30:00Z
--         a,2026-10-25 01:10:00Z
-- expect  k,window_start,window_end,n
--         a,2026-10-25 02:10:00,2026-10-25 02:00:00,2
--         a,2026-10-25 02:10:00,2026-10-25 02:40:00,1
-- targets flink gap: its sessions count the clock on the wall, and the repeated hour is none
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '30' MINUTE))
GROUP BY k, window_start, window_end
