-- why     as many names as an element has columns
-- input   a: id INT, k STRING, v INT
-- error   2 names for the 1 columns
-- at      1:28
SELECT x FROM a CROSS JOIN UNNEST(ARRAY[v]) AS t (x, y)
