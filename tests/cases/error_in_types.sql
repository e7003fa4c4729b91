-- why     what is looked for meets the column in a type
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   =
SELECT k FROM a WHERE id IN (SELECT k FROM b)
