-- why     one group has one window
-- input   t: ts TIMESTAMP(3); watermark ts - 0s
-- error   GROUP BY of two windows
SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), TUMBLE(ts, INTERVAL '2' MINUTE)
