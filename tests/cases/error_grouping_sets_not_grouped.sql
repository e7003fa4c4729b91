-- why     a column that no set has is not grouped
-- input   a: id INT, k STRING, v INT
-- error   'v' is neither grouped
-- at      1:11
SELECT k, v FROM a GROUP BY CUBE (k)
