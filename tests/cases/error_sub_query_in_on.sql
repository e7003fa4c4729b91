-- why     a sub-query does not stand in ON
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   sub-query in ON
-- at      1:34
SELECT 1 FROM a JOIN b ON a.id = (SELECT MAX(id) FROM a)
