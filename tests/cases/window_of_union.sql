-- why     a union's mark is the lowest of its parts, and its time column stays the event time
-- input   one: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
-- input   two: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         b,00:00:06
-- input   one
--         c,00:09:00
-- input   two
--         d,00:00:30
--         e,00:05:00
--         f,00:00:40
-- expect  window_start,n
--         00:00:00,3
--         00:05:00,1
--         00:09:00,1
-- late    f,00:00:40
SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE (SELECT * FROM one UNION ALL SELECT * FROM two), DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
