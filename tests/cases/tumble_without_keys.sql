-- why     a window without rows gives nothing, one with rows gives one row
-- input   bids: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:05
--         2,00:05:00
-- expect  window_start,total
--         00:00:00,1
--         00:05:00,2
SELECT window_start, SUM(v) AS total FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
