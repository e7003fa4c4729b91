-- why     a filter above a session takes rows out of it, it does not divide it
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,-5,00:00:50
--         a,2,00:01:40
--         b,7,00:02:00
-- expect  k,window_start,window_end,total
--         a,00:00:00,00:02:40,3
--         b,00:02:00,00:03:00,7
-- targets flink gap: it filters first and makes sessions of what is left
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE v > 0
GROUP BY k, window_start, window_end
