-- why     windows that share a start grow step by step and begin anew after their size
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:25
--         a,4,00:01:00
-- expect  window_start,window_end,total
--         00:00:00,00:00:20,1
--         00:00:00,00:00:40,3
--         00:00:00,00:01:00,3
--         00:01:00,00:01:20,4
--         00:01:00,00:01:40,4
--         00:01:00,00:02:00,4
SELECT window_start, window_end, SUM(v) AS total
FROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
