-- why     late is what stands behind the watermark, whatever else its key has seen
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         b,2,00:00:05
--         a,4,00:00:12
-- expect  k,s
--         a,1
--         a,5
-- late    b,2,00:00:05
-- targets flink gap: its bounded RANGE frames compare with the key's last row, not with the watermark
SELECT k, SUM(v) OVER (
  PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '5' SECOND PRECEDING AND CURRENT ROW
) AS s FROM t
