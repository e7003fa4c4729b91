-- why     ON sees the tables up to there
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- input   c: id INT
-- error   Unknown table or column 'c'
-- at      1:34
SELECT 1 FROM a JOIN b ON b.id = c.id JOIN c ON c.id = a.id
