-- why     a row without event time belongs to no window; it is rejected, not lost
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,NULL
--         c,00:00:06
-- expect  window_start,n
--         00:00:00,2
-- rejected event time 'ts' is NULL | "k":"b"
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
