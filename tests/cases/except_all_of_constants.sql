-- why     a constant column is a column: four is not six
-- input   t: v INT
--         1
--         2
-- expect  c
--         4
--         4
SELECT 4 AS c FROM t EXCEPT ALL SELECT 6 AS c FROM t
