-- why     sessions come later; the message says what works now, and where
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   SESSION
--         TUMBLE
-- at      1:36
SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
