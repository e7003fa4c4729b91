-- why     a row whose argument cannot be computed is rejected and counts in no frame
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,2,00:00:01
--         a,0,00:00:02
--         a,5,00:00:03
-- expect  v,s
--         2,5
--         5,7
-- rejected division by zero
SELECT v, SUM(10 / v) OVER (PARTITION BY k ORDER BY ts) AS s FROM t
