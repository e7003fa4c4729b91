-- why     a value is one column
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   2 columns where 1
-- at      1:11
SELECT k, (SELECT id, w FROM b) AS x FROM a
