-- why     HAVING sees the aggregates of a window
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:00:06
--         a,00:00:07
-- expect  k,n
--         a,2
SELECT k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, k HAVING COUNT(*) > 1
