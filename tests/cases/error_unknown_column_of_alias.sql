-- why     a column must be one of the table it is said of
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   Unknown column 'w'
-- at      1:8
SELECT a.w FROM a JOIN b ON a.id = b.id
