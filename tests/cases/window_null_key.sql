-- why     NULL is a group of its own, as in every SQL
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         NULL,00:00:06
--         NULL,00:00:07
-- expect  k,n
--         a,1
--         NULL,2
SELECT k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k
