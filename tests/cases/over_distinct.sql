-- why     COUNT(DISTINCT …) over a frame that slides
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,1,00:00:02
--         a,2,00:00:03
--         a,2,00:00:04
--         a,2,00:00:05
-- expect  v,ever,lately
--         1,1,1
--         1,1,1
--         2,2,2
--         2,2,2
--         2,2,1
-- targets flink gap: it takes one OVER window for all aggregates
SELECT v, COUNT(DISTINCT v) OVER (ORDER BY ts) AS ever,
  COUNT(DISTINCT v) OVER (ORDER BY ts ROWS 2 PRECEDING) AS lately
FROM t
