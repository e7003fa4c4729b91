-- why     a row that is taken back leaves the frames of the rows behind it
-- input   t: k STRING, v INT; changes
--         + a,5
--         + a,9
--         + b,1
--         + a,7
--         - a,5
-- expect  k,v,s,n
--         a,7,7,1
--         a,9,16,2
--         b,1,1,1
-- targets flink gap: it takes one OVER window for all aggregates
SELECT k, v, SUM(v) OVER (PARTITION BY k ORDER BY v ROWS 1 PRECEDING) AS s,
  COUNT(*) OVER (PARTITION BY k ORDER BY v) AS n
FROM t
