-- why     COUNT(*) counts rows, COUNT(v) values, COUNT(DISTINCT v) different values
-- input   t: v INT
--         1
--         NULL
--         1
--         2
-- expect  a,b,c
--         4,3,2
SELECT COUNT(*) AS a, COUNT(v) AS b, COUNT(DISTINCT v) AS c FROM t
