-- why     a row counts in each of its windows, also those that began before the first row
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         a,4,00:01:10
-- expect  window_start,window_end,n,total
--         1969-12-31 23:59:30,00:00:30,1,1
--         00:00:00,00:01:00,2,3
--         00:00:30,00:01:30,2,6
--         00:01:00,00:02:00,1,4
SELECT window_start, window_end, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
