-- why     a pause is elapsed time: 01:50 and 03:10 are twenty minutes apart when clocks go forward
-- set     table.local-time-zone = Europe/Berlin
-- input   t: k STRING, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2026-03-29 00:50:00Z
--         a,2026-03-29 01:10:00Z
--         a,2026-03-29 02:00:00Z
-- expect  k,window_start,window_end,n
--         a,2026-03-29 01:50:00,2026-03-29 03:40:00,2
--         a,2026-03-29 04:00:00,2026-03-29 04:30:00,1
-- targets flink gap: its sessions count the clock on the wall, and the skipped hour is a pause
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '30' MINUTE))
GROUP BY k, window_start, window_end
