-- why     t.* gives the columns of one table, under their own names
-- input   a: id INT, x STRING
--         1,a
-- input   b: id INT, y STRING
--         1,p
-- expect  id,y,x
--         1,p,a
SELECT b.*, a.x FROM a JOIN b ON a.id = b.id
