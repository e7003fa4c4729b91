-- why     LIMIT without ORDER BY does not say which rows
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   LIMIT in a sub-query
SELECT k, (SELECT w FROM b WHERE b.id = a.id LIMIT 1) AS x FROM a
