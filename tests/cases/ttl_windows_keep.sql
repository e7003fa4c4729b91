-- why     the time to live says nothing of windows: their state goes with their end
-- set     table.exec.state.ttl = 1 s
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- input   t at 12:00:00
--         a,00:00:05
-- input   t at 12:30:00
--         a,00:00:50
-- expect  k,n
--         a,2
-- targets flink gap: processing time cannot be set there
SELECT k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
