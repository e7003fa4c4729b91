-- why     an aggregate has no place in ON
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   cannot stand in ON
-- at      1:27
SELECT 1 FROM a JOIN b ON SUM(a.v) = b.w
