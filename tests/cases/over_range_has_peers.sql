-- why     RANGE, which is the default, counts rows of one time together; ROWS does not
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:10
--         a,2,00:00:10
--         a,4,00:00:11
-- expect  v,by_range,by_rows
--         1,3,1
--         2,3,3
--         4,7,7
SELECT v, by_range, SUM(v) OVER (ORDER BY ts ROWS UNBOUNDED PRECEDING) AS by_rows FROM (
  SELECT v, ts, SUM(v) OVER (ORDER BY ts) AS by_range FROM t
)
