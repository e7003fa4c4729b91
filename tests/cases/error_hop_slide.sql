-- why     a slide that does not divide the size is refused, as in Flink
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   not a multiple
SELECT window_start, COUNT(*) AS n
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '25' SECOND, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
