-- why     times before 1970 fall into sessions as any others
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,1969-12-31 23:58:00
--         a,1969-12-31 23:59:30
--         a,1970-01-01 00:05:00
-- expect  k,window_start,window_end,n
--         a,1969-12-31 23:58:00,1970-01-01 00:01:30,2
--         a,1970-01-01 00:05:00,1970-01-01 00:07:00,1
SELECT k, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' MINUTE))
GROUP BY k, window_start, window_end
