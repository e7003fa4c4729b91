-- why     a field of a row column is reached through the table's name
-- input   a: id INT
--         1
-- input   b: id INT, v INT
--         1,7
-- expect  id,n
--         1,7
SELECT a.id, t.r.n FROM a JOIN (SELECT id, CAST(ROW(v) AS ROW<n INT>) AS r FROM b) AS t ON a.id = t.id
