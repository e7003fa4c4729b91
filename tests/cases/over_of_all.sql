-- why     without PARTITION BY a frame is over all rows
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:01
--         b,2,00:00:04
--         c,4,00:00:03
-- expect  k,s
--         a,1
--         c,5
--         b,6
SELECT k, SUM(v) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '2' SECOND PRECEDING AND CURRENT ROW) AS s
FROM t
