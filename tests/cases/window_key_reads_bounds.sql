-- why     a key computed from the window's start needs the rows as the window gives them
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:01
--         2,00:00:40
--         4,00:01:10
-- expect  window_start,second,total
--         00:00:00,1,1
--         00:00:00,40,2
--         00:01:00,10,4
SELECT window_start, TIMESTAMPDIFF(SECOND, window_start, ts) AS `second`, SUM(v) AS total
FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end, TIMESTAMPDIFF(SECOND, window_start, ts)
