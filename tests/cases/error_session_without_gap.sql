-- why     a session needs its gap; the message shows how it is written
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   SESSION needs its gap
--         PARTITION BY k
SELECT k, COUNT(*) AS n FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts)))
GROUP BY k, window_start, window_end
