-- why     OVER may stand inside an expression, and in ORDER BY
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,3,00:00:01
--         a,1,00:00:02
--         a,2,00:00:03
-- ordered v,more
--         1,-2
--         2,1
--         3,NULL
SELECT v, v - LAG(v) OVER (ORDER BY ts) AS more FROM t ORDER BY v
