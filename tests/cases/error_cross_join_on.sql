-- why     CROSS JOIN has no condition
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   no condition
-- at      1:30
SELECT 1 FROM a CROSS JOIN b ON a.id = b.id
