-- why     window_time is the last millisecond of the window
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
-- expect  window_time,n
--         00:00:59.999,1
SELECT window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, window_time
