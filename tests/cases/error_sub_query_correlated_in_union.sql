-- why     a union in a sub-query does not read outside
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   under a set operation
-- at      1:84
SELECT k FROM a WHERE id IN (SELECT id FROM b UNION ALL SELECT id FROM b WHERE w = a.v)
