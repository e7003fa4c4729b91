-- why     GROUPING is of a key
-- input   a: id INT, k STRING, v INT
-- error   no key of GROUP BY
-- at      1:20
SELECT k, GROUPING(v) AS g FROM a GROUP BY ROLLUP (k)
