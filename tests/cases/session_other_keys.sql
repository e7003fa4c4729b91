-- why     grouping by more than the partition keeps the partition's sessions and divides their rows
-- input   t: k STRING, page STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,x,00:00:00
--         a,y,00:00:40
--         a,x,00:01:20
--         b,x,00:01:30
-- expect  k,page,window_start,window_end,n
--         a,x,00:00:00,00:02:20,2
--         a,y,00:00:00,00:02:20,1
--         b,x,00:01:30,00:02:30,1
SELECT k, page, window_start, window_end, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, page, window_start, window_end
