-- why     a filter below a session divides it
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,-5,00:00:50
--         a,2,00:01:40
-- expect  k,window_start,window_end,total
--         a,00:00:00,00:01:00,1
--         a,00:01:40,00:02:40,2
-- targets flink gap: it takes no query inside TABLE( )
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE (SELECT * FROM t WHERE v > 0) PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
