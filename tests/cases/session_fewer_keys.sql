-- why     grouping by the bounds alone brings equal sessions of different keys together
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,2,00:00:00
--         b,4,00:00:30
--         c,8,00:00:00
-- expect  window_start,window_end,total
--         00:00:00,00:01:00,9
--         00:00:00,00:01:30,6
SELECT window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
