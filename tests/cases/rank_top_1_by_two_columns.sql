-- why     the best row is replaced, and the old one taken back: an aggregate above must not count both
-- input   t: k STRING, v INT, s STRING
--         a,5,x
--         a,6,x
--         a,6,b
--         b,1,x
-- expect  n,total
--         2,7
-- targets flink gap: top-1 by two columns is planned insert-only there, nothing is taken back
SELECT COUNT(*) AS n, SUM(v) AS total FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, s) AS rn FROM t
) WHERE rn = 1
