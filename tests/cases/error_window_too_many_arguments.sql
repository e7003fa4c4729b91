-- why     what stands beyond the last argument is not passed over
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   SESSION takes no more arguments
SELECT k, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
