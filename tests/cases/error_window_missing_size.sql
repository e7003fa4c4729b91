-- why     HOP needs two lengths; the message shows how it is written
-- input   t: a INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   HOP needs its size
--         INTERVAL
SELECT COUNT(*) AS n FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end
