-- why     what stands above a LIMIT sees its rows only
-- input   t: v INT
--         5
--         1
--         9
-- expect  s
--         6
SELECT SUM(v) AS s FROM (SELECT v FROM t ORDER BY v LIMIT 2)
