-- why     a union's mark is the lowest of its parts, and its time column stays the event time
-- input   ones: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
-- input   twos: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         b,00:00:06
-- input   ones
--         c,00:09:00
-- input   twos
--         d,00:00:30
--         e,00:05:00
--         f,00:00:40
-- expect  window_start,n
--         00:00:00,3
--         00:05:00,1
--         00:09:00,1
-- late    f,00:00:40
WITH bids AS (SELECT * FROM ones UNION ALL SELECT * FROM twos)
SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
