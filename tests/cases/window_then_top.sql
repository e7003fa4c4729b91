-- why     the result of windows can be sorted at the end of bounded input
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:01
--         b,00:00:02
--         b,00:00:03
--         a,00:01:00
-- ordered window_start,k,n
--         00:00:00,b,2
--         00:00:00,a,1
SELECT window_start, k, COUNT(*) AS n FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end, k ORDER BY n DESC, window_start, k LIMIT 2
