-- why     without PARTITION BY there is one first row, of all
-- input   t: k STRING, v INT
--         a,1
--         b,7
--         c,3
-- expect  k,v
--         b,7
SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (ORDER BY v DESC) AS place FROM t) WHERE place = 1
