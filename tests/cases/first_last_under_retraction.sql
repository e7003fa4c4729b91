-- why     when the first or last row goes, its neighbour takes its place
-- input   t: k STRING, v INT; changes
--         + a,1
--         + a,2
--         + a,3
--         - a,1
--         - a,3
-- expect  k,f,l
--         a,2,2
SELECT k, FIRST_VALUE(v) AS f, LAST_VALUE(v) AS l FROM t GROUP BY k
