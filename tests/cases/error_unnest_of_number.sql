-- why     UNNEST is of a collection
-- input   a: id INT, k STRING, v INT
-- error   UNNEST of INT
-- at      1:35
SELECT x FROM a CROSS JOIN UNNEST(a.v) AS t (x)
