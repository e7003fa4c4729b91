-- why     one column may be compared with two
-- input   a: x INT
--         1
--         2
-- input   b: y INT, z INT
--         1,1
--         2,3
-- expect  x
--         1
SELECT x FROM a JOIN b ON x = y AND x = z
