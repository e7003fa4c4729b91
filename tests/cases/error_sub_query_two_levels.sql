-- why     a sub-query reads the query around it, not the one around that
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- input   c: id INT
-- error   two levels up
-- at      1:90
SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b WHERE EXISTS (SELECT 1 FROM c WHERE c.id = a.id))
