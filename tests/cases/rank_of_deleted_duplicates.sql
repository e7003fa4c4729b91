-- why     of two equal rows one may go; the other keeps its rank
-- input   t: k STRING, v INT; changes
--         + a,5
--         + a,5
--         + a,4
--         - a,5
-- expect  k,v,rn
--         a,5,1
--         a,4,2
SELECT k, v, rn FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t
) WHERE rn <= 2
