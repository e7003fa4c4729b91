-- why     a union's mark is the smaller of its parts' marks at that point
-- input   a: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:02:00
-- input   b: v INT, ts TIMESTAMP(3); watermark ts - 60s
--         2,00:02:00
-- input   a
--         4,00:01:10
--         8,00:00:50
-- expect  window_start,s
--         00:01:00,4
--         00:02:00,3
-- late    8,00:00:50
WITH c AS (SELECT * FROM a UNION ALL SELECT * FROM b)
SELECT window_start, SUM(v) AS s
FROM TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end
