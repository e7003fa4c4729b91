-- why     an alias renames the columns of a table and of a query
-- input   a: id INT, x STRING
--         1,a
-- input   b: id INT, y STRING
--         1,p
-- expect  n,m,q
--         1,1,p
SELECT n, m, q FROM a AS s (n, w) JOIN (SELECT id, y FROM b) AS u (m, q) ON n = m
