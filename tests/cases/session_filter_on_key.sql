-- why     a filter on the partition's key may go below the session, the answer stays
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,2,00:00:50
--         a,4,00:00:55
-- expect  user_name,window_end,total
--         a,00:01:55,5
SELECT user_name, window_end, SUM(v) AS total
FROM (SELECT k AS user_name, v, window_start, window_end
      FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE)))
WHERE user_name = 'a'
GROUP BY user_name, window_start, window_end
