-- why     times before 1970 fall into the window that begins before them, not after
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,1969-12-31 23:58:59.999
--         b,1969-12-31 23:59:00
--         c,1969-12-31 23:59:59.999
--         d,00:00:00
-- expect  window_start,n
--         1969-12-31 23:58:00,1
--         1969-12-31 23:59:00,2
--         00:00:00,1
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
