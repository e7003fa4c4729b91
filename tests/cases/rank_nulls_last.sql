-- why     NULLS LAST puts rows without a value behind all others
-- input   t: k STRING, v INT
--         a,NULL
--         a,5
--         a,-3
-- expect  v,rn
--         -3,1
--         5,2
SELECT v, rn FROM (
  SELECT v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v ASC NULLS LAST) AS rn FROM t
) WHERE rn <= 2
