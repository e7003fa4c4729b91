-- why     no rank is below one, so there is no row
-- input   t: k STRING, v INT
--         a,5
-- expect  v
SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t) WHERE rn <= 0
