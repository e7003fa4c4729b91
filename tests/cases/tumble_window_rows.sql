-- why     a window function without GROUP BY is a table: it drops nothing, not even rows of closed windows
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:02:00
--         c,00:00:10
-- expect  k,ts,window_start,window_end,window_time
--         a,00:00:05,00:00:00,00:01:00,00:00:59.999
--         b,00:02:00,00:02:00,00:03:00,00:02:59.999
--         c,00:00:10,00:00:00,00:01:00,00:00:59.999
SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
