-- why     JOIN without ON is no CROSS JOIN
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   needs a condition
--         CROSS JOIN
-- at      1:17
SELECT * FROM a JOIN b
