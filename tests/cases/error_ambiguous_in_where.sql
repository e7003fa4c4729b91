-- why     in WHERE too
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   'k' is ambiguous
-- at      1:29
SELECT a.id FROM a, b WHERE k = 'x'
