-- why     TUMBLE_START without a window in GROUP BY has nothing to tell
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   TUMBLE_START of a window that is not in GROUP BY
--         Group by TUMBLE
SELECT k, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS ws, COUNT(*) AS n FROM t GROUP BY k
