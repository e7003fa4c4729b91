-- why     FILTER keeps TRUE alone; an aggregate of no rows is NULL, a count is 0
-- input   t: k STRING, v INT
--         a,1
--         a,NULL
--         a,5
-- expect  k,n,s,none
--         a,1,5,NULL
SELECT k, COUNT(*) FILTER (WHERE v > 2) AS n, SUM(v) FILTER (WHERE v > 2) AS s,
  MAX(v) FILTER (WHERE v > 9) AS `none`
FROM t GROUP BY k
