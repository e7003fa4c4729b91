-- why     several partition keys stand in parentheses; a NULL key is a key
-- input   t: a STRING, b INT, ts TIMESTAMP(3); watermark ts - 10s
--         x,1,00:00:00
--         x,2,00:00:05
--         x,NULL,00:00:06
--         x,1,00:00:20
--         x,NULL,00:00:30
--         x,2,00:05:00
-- expect  a,b,window_start,n
--         x,1,00:00:00,2
--         x,2,00:00:05,1
--         x,NULL,00:00:06,2
--         x,2,00:05:00,1
SELECT a, b, window_start, COUNT(*) AS n
FROM TABLE(SESSION(TABLE t PARTITION BY (a, b), DESCRIPTOR(ts), INTERVAL '30' SECOND))
GROUP BY a, b, window_start, window_end
