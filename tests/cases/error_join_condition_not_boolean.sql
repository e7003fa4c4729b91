-- why     a join condition is TRUE or not
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   needs a BOOLEAN
-- at      1:27
SELECT 1 FROM a JOIN b ON a.id
