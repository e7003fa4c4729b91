-- why     the start of a window stands for a window in GROUP BY; without one it is no function
-- input   t: ts TIMESTAMP(3), v INT; watermark ts - 5s
-- error   SESSION_START of a window that is not in GROUP BY
--         Group by SESSION(…)
-- at      1:8
SELECT SESSION_START(ts, INTERVAL '1' MINUTE) FROM t
