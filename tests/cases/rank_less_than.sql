-- why     rn < 3 is rn <= 2
-- input   t: k STRING, v INT
--         a,5
--         a,9
--         a,7
-- expect  v
--         9
--         7
SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t) WHERE rn < 3
