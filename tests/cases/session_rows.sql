-- why     without GROUP BY each row waits for its session and comes with its bounds
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 2m
--         a,1,00:00:00
--         b,2,00:00:10
--         a,3,00:02:30
--         a,4,00:01:20
--         b,5,00:09:00
-- expect  k,v,window_start,window_end,window_time
--         a,1,00:00:00,00:04:00,00:03:59.999
--         a,3,00:00:00,00:04:00,00:03:59.999
--         a,4,00:00:00,00:04:00,00:03:59.999
--         b,2,00:00:10,00:01:40,00:01:39.999
--         b,5,00:09:00,00:10:30,00:10:29.999
SELECT k, v, window_start, window_end, window_time
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '90' SECOND))
