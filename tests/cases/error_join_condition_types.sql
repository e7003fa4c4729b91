-- why     keys of types that do not meet are refused
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   =
-- at      1:27
SELECT 1 FROM a JOIN b ON a.id = b.k
