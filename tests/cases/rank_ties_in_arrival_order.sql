-- why     of equal rows the one that came first stands first, and a later one never pushes it out
-- input   t: k STRING, v INT
--         a,5
--         b,5
--         c,5
-- expect  k,rn
--         a,1
--         b,2
SELECT k, rn FROM (SELECT k, ROW_NUMBER() OVER (ORDER BY v) AS rn FROM t) WHERE rn <= 2
