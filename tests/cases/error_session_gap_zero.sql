-- why     a session without a gap is no window
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   The gap of SESSION is 0 ms
SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '0' SECOND))
GROUP BY k, window_start, window_end
