-- why     EXISTS as a column compares by = only
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   by more than =
-- at      1:11
SELECT k, EXISTS (SELECT 1 FROM b WHERE b.w > a.v) AS x FROM a
