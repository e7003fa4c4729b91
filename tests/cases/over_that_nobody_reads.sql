-- why     a query over OVER need not read what it computes, nor the column that is computed from
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         x,1,00:00:01
--         x,2,00:00:02
--         y,3,00:00:03
-- expect  k,n
--         x,2
--         y,1
SELECT k, COUNT(*) AS n FROM (
  SELECT k, MAX(v) OVER (PARTITION BY k ORDER BY ts) AS m FROM t) GROUP BY k
