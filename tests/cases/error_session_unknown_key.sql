-- why     sessions of a column that is not there: near names are told
-- input   t: kind STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   'kinds'
--         kind
-- at      1:33
SELECT COUNT(*) AS n FROM TABLE(SESSION(TABLE t PARTITION BY kinds, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
