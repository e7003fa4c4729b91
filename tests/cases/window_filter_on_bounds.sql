-- why     a predicate on the window itself cannot be moved below it
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:01:06
-- expect  window_start,n
--         00:01:00,1
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE window_start > TIMESTAMP '1970-01-01 00:00:00' GROUP BY window_start, window_end
