-- why     the select list of a sub-query does not read outside
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   in its select list
-- at      1:37
SELECT k FROM a WHERE id IN (SELECT a.v + w FROM b)
