-- why     a window needs a column that carries event time, not one computed on the spot
-- input   t: ts TIMESTAMP(3); watermark ts - 0s
-- error   The time of TUMBLE is not a column
--         sub-query
SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(ts + INTERVAL '1' HOUR, INTERVAL '1' MINUTE)
