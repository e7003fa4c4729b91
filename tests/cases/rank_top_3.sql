-- why     top-N: rows that are no longer among the first are taken back
-- input   t: k STRING, v INT
--         a,5
--         b,1
--         a,3
--         a,7
--         a,1
--         b,2
--         a,3
-- expect  k,v,rn
--         a,7,1
--         a,5,2
--         a,3,3
--         b,2,1
--         b,1,2
SELECT k, v, rn FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t
) WHERE rn <= 3
