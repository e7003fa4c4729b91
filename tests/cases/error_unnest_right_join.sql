-- why     the left side is there before its elements
-- input   a: id INT, k STRING, v INT
-- error   RIGHT JOIN with what reads the left side
-- at      1:17
SELECT x FROM a RIGHT JOIN UNNEST(ARRAY[v]) AS t (x) ON TRUE
