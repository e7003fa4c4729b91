-- why     ON TRUE is every pair; a left join keeps its rows where the other side is empty
-- input   a: x INT
--         1
--         2
-- input   b: y INT
--         3
-- expect  x,y
--         1,3
--         2,3
SELECT x, y FROM a LEFT JOIN b ON TRUE
