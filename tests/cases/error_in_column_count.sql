-- why     as many columns as are compared
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   2 columns where 1
-- at      1:23
SELECT k FROM a WHERE id IN (SELECT id, w FROM b)
