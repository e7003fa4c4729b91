-- why     an offset moves all windows, also to before the epoch
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:00:20
--         c,00:01:15
-- expect  window_start,window_end,n
--         1969-12-31 23:59:10,00:00:10,1
--         00:00:10,00:01:10,1
--         00:01:10,00:02:10,1
SELECT window_start, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '10' SECOND))
GROUP BY window_start, window_end
