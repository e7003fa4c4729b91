-- why     rows that change cannot be taken out of a session again
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s; changes
--         + a,00:00:00
-- error   A window needs rows that never change
SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
