-- why     a column that two tables have must be said with its table
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   'id' is ambiguous
--         a.id, b.id
-- at      1:8
SELECT id FROM a JOIN b ON a.k = b.k
