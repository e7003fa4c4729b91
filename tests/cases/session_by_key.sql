-- why     rows of one key without a long pause are one session; each key has its own
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1m
--         a,1,00:00:00
--         b,1,00:00:30
--         a,2,00:04:00
--         b,8,00:03:00
--         a,4,00:20:00
-- expect  window_start,window_end,k,n,total
--         00:00:00,00:09:00,a,2,3
--         00:00:30,00:08:00,b,2,9
--         00:20:00,00:25:00,a,1,4
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY window_start, window_end, k
