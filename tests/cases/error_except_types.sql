-- why     columns of EXCEPT meet in a type
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   EXCEPT of
SELECT id FROM a EXCEPT SELECT k FROM b
