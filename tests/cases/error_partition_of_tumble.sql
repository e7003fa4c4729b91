-- why     only sessions are made per key; other windows group by it
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   PARTITION BY in this window
--         SESSION
-- at      1:48
SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
