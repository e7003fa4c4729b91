-- why     TABLE( ) around the window function is Flink's own spelling and means the same
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:01
--         a,2,00:00:59.999
--         b,4,00:01:00
--         a,8,00:00:58
-- expect  window_start,window_end,k,n,total
--         00:00:00,00:01:00,a,3,11
--         00:01:00,00:02:00,b,1,4
SELECT window_start, window_end, k, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, k
