-- why     USING gives one column for both
-- input   a: id INT, x STRING
--         1,a
--         2,b
-- input   b: id INT, y STRING
--         1,p
--         3,r
-- expect  id,x,y
--         1,a,p
SELECT * FROM a JOIN b USING (id)
