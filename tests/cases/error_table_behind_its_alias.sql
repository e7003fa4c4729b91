-- why     a table with an alias is called by the alias only
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   Unknown table or column 'a'
-- at      1:34
SELECT x.k FROM a AS x JOIN b ON a.id = b.id
