-- why     a session over a column that is no event time never ends on an endless stream
-- input   t: k STRING, ts TIMESTAMP(3); endless
-- error   no event time here
--         WATERMARK FOR ts
SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
