-- why     a column of USING is in both tables
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   Unknown column 'v'
-- at      1:17
SELECT 1 FROM a JOIN b USING (v)
