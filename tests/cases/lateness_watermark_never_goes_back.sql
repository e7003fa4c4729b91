-- why     an old row does not lower the mark, so rows behind the highest stay late
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:05:00
--         b,00:00:01
--         c,00:04:59
--         d,00:05:30
-- expect  window_start,n
--         00:05:00,2
-- late    b,00:00:01
--         c,00:04:59
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
