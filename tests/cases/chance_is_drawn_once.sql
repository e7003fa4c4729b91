-- why     RAND is drawn once a row: two readers of it see the same, in any cut and after a crash
-- input   t: v INT
--         1
--         2
--         3
-- expect  same,inside
--         3,3
WITH r AS (SELECT v, RAND() AS x FROM t)
SELECT COUNT(*) FILTER (WHERE a = b) AS same, COUNT(*) FILTER (WHERE a >= 0 AND a < 1) AS inside
FROM (SELECT x AS a, x AS b FROM r)
