-- why     a window over another column than the event time would be held against the wrong watermark
-- input   bids: k STRING, ts TIMESTAMP(3), other TIMESTAMP(3); watermark ts - 0s
-- error   over 'other'
--         the event time here is 'ts'
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(other), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
