-- why     two tables of FROM have two names
-- input   a: id INT, k STRING, v INT
-- error   are called 'a'
--         AS a2
-- at      1:17
SELECT 1 FROM a JOIN a ON a.id = a.id
