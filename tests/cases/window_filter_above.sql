-- why     a filter between window and group may be moved below the window, and changes nothing
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,-5,00:00:02
--         b,3,00:01:00
-- expect  k,n,s
--         a,1,1
--         b,1,3
SELECT k, COUNT(*) AS n, SUM(v) AS s
FROM (SELECT * FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE) WHERE v > 0)
GROUP BY k, window_start, window_end
