-- why     OPTIONS of a hint hold for one reading of a table, which is joined with itself
-- input   a: id INT, v INT
--         1,5
--         2,6
-- expect  v,w
--         5,5
--         6,6
SELECT a.v, b.v AS w FROM a /*+ OPTIONS('target' = 'elsewhere') */ JOIN a AS b ON a.id = b.id
