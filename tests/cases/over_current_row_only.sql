-- why     a frame of the row alone; RANGE CURRENT ROW has all rows of its time
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,1,00:00:01
--         a,2,00:00:01
--         a,4,00:00:02
-- expect  v,s,r
--         1,1,3
--         2,2,3
--         4,4,4
-- targets flink gap: it takes no RANGE of the current row alone
SELECT v, s, SUM(v) OVER (ORDER BY ts RANGE CURRENT ROW) AS r
FROM (SELECT v, ts, SUM(v) OVER (ORDER BY ts ROWS CURRENT ROW) AS s FROM t)
