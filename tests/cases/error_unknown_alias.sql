-- why     a name in front of a column must be one of FROM
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   Unknown table or column 'c'
-- at      1:8
SELECT c.id FROM a JOIN b ON a.id = b.id
