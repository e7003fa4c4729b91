-- why     the older spelling of sessions is refused as clearly
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   SESSION
SELECT k, COUNT(*) AS n FROM t GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE)
