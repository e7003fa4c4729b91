-- why     > ANY stands alone in WHERE
-- input   a: id INT, k STRING, v INT
-- input   b: id INT, k STRING, w INT
-- error   ANY (SELECT
-- at      1:33
SELECT k FROM a WHERE id = 1 OR v > ANY (SELECT w FROM b)
