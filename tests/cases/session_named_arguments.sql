-- why     arguments may be named, in any order
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:00
--         a,00:00:30
-- expect  k,window_end,n
--         a,00:01:30,2
-- targets flink gap: DATA must stand first there
SELECT k, window_end, COUNT(*) AS n
FROM TABLE(SESSION(GAP => INTERVAL '1' MINUTE, DATA => TABLE t PARTITION BY k, TIMECOL => DESCRIPTOR(ts)))
GROUP BY k, window_start, window_end
