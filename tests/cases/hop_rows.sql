-- why     without GROUP BY a sliding window gives each row once per window
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:10
-- expect  k,window_start
--         a,1969-12-31 23:59:30
--         a,00:00:00
SELECT k, window_start FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))
