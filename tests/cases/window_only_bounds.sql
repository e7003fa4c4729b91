-- why     DISTINCT windows: a group without any aggregate
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:00:06
--         a,00:01:07
-- expect  window_start
--         00:00:00
--         00:01:00
SELECT window_start FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
