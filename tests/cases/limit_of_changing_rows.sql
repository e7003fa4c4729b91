-- why     rows that change have no first ones until the end
-- input   t: k STRING
--         a
--         b
--         a
-- ordered k,n
--         a,2
SELECT k, COUNT(*) AS n FROM t GROUP BY k ORDER BY n DESC LIMIT 1
