-- why     SESSION_START names the window of GROUP BY, with the same arguments
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   SESSION_START of a window that is not in GROUP BY
-- at      1:11
SELECT k, SESSION_START(ts, INTERVAL '2' MINUTE) AS ws FROM t
GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE)
