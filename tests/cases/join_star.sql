-- why     SELECT * of two tables renames the second column of a name
-- input   a: id INT, x STRING
--         1,a
-- input   b: id INT, x STRING
--         1,p
-- expect  id,x,id0,x0
--         1,a,1,p
SELECT * FROM a JOIN b ON a.id = b.id
