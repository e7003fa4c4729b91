-- why     a WITH query used on both sides
-- input   a: id INT, v INT
--         1,5
--         2,6
--         1,7
-- expect  id,other
--         1,2
WITH s AS (SELECT id, SUM(v) AS total FROM a GROUP BY id)
SELECT x.id, y.id AS other FROM s AS x JOIN s AS y ON x.total > y.total
