-- why     a pause as long as the gap is no pause yet: the later row joins, one ms later it does not
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:00
--         a,00:05:00
--         a,00:10:00.001
-- expect  k,window_start,window_end,n
--         a,00:00:00,00:10:00,2
--         a,00:10:00.001,00:15:00.001,1
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY k, window_start, window_end
