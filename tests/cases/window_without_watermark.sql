-- why     on input that ends, windows need no watermark: they close at the end and nothing is late
-- input   bids: k STRING, ts TIMESTAMP(3)
--         a,00:05:00
--         b,00:00:05
-- expect  window_start,n
--         00:00:00,1
--         00:05:00,1
-- targets flink gap: its windows want a watermark also where the input ends
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
