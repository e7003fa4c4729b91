-- why     rows may be ordered by what is not shown
-- input   t: k STRING, v INT
--         a,-5
--         b,1
--         c,3
-- ordered k
--         b
--         c
--         a
SELECT k FROM t ORDER BY ABS(v)
