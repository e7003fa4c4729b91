-- why     the second column decides where the first is equal, each in its own direction
-- input   t: k STRING, v INT, s STRING
--         a,5,x
--         a,5,a
--         a,6,z
--         a,5,m
-- expect  v,s,rn
--         6,z,1
--         5,a,2
--         5,m,3
SELECT v, s, rn FROM (
  SELECT v, s, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, s) AS rn FROM t
) WHERE rn <= 3
