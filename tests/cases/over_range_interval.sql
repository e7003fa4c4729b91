-- why     a time span before each row, its edge included
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,2,00:00:10
--         a,4,00:00:10.001
--         a,8,00:00:21
-- expect  v,s
--         1,1
--         2,3
--         4,6
--         8,8
-- targets flink gap: a row of the very first instant of 1970 is late there
SELECT v, SUM(v) OVER (
  PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS s
FROM t
