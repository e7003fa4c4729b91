-- why     OVER looks at the groups of its own SELECT
-- input   t: k STRING, v INT
--         a,5
--         b,3
--         a,1
--         c,9
-- expect  k,total,rn
--         c,9,1
--         a,6,2
SELECT k, total, rn FROM (
  SELECT k, SUM(v) AS total, ROW_NUMBER() OVER (ORDER BY SUM(v) DESC) AS rn FROM t GROUP BY k
) WHERE rn <= 2
