-- why     a condition without columns decides about all pairs
-- input   a: x INT
--         1
-- input   b: y INT
--         1
-- expect  x,y
--         1,NULL
SELECT x, y FROM a LEFT JOIN b ON x = y AND 1 = 2
