-- why     arithmetic on aggregates is that of their types: whole numbers stay whole
-- input   t: k STRING, v INT
--         a,3
--         a,4
-- expect  k,q,d
--         a,3,3.5
SELECT k, SUM(v) / COUNT(*) AS q, SUM(CAST(v AS DOUBLE)) / COUNT(*) AS d FROM t GROUP BY k
