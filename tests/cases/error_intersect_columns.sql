-- why     both sides of INTERSECT have as many columns
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   INTERSECT of 1 and 2 columns
SELECT id FROM a INTERSECT SELECT id, w FROM b
