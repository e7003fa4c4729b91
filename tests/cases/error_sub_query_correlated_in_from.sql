-- why     a query in FROM of a sub-query does not read outside
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   reads 'id' of the query around it in a query in FROM
-- at      1:75
SELECT k FROM a WHERE EXISTS (SELECT 1 FROM (SELECT w FROM b WHERE b.id = a.id) AS x)
