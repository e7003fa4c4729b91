-- why     DISTINCT inside an aggregate looks at values, once each
-- input   t: k STRING, v INT
--         a,1
--         a,1
--         a,2
--         a,NULL
-- expect  k,s,n,m,plain
--         a,3,2,1,4
SELECT k, SUM(DISTINCT v) AS s, COUNT(DISTINCT v) AS n, MIN(DISTINCT v) AS m, SUM(v) AS plain
FROM t GROUP BY k
