-- why     LEFT SEMI JOIN is no SQL of Flink
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   SEMI JOIN
--         EXISTS
-- at      1:22
SELECT 1 FROM a LEFT SEMI JOIN b ON a.id = b.id
