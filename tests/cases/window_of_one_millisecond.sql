-- why     the smallest window ends one millisecond later; equal times share it
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:00.001
--         2,00:00:00.001
--         4,00:00:00.002
-- expect  window_start,s
--         00:00:00.001,1
--         00:00:00.002,4
-- late    2,00:00:00.001
SELECT window_start, SUM(v) AS s
FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.001' SECOND) GROUP BY window_start, window_end
