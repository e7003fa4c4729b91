-- why     keys of two types meet in their common type; decimals by value, not by digits
-- input   a: x INT, d DECIMAL(5, 2)
--         1,1.50
--         2,2.00
-- input   b: y BIGINT, e DECIMAL(8, 3)
--         1,1.500
--         2,2.001
-- expect  x,y
--         1,1
SELECT x, y FROM a JOIN b ON a.x = b.y AND a.d = b.e
