-- why     what is ranked by need not be a column
-- input   t: k STRING, v INT
--         a,5
--         b,-9
--         c,7
-- expect  k,v
--         b,-9
--         c,7
SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (ORDER BY ABS(v) DESC) AS rn FROM t) WHERE rn <= 2
