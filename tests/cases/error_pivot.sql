-- why     PIVOT is said to be missing, instead of being read as the name of the table
-- input   t: k STRING, v INT
-- error   Not supported: PIVOT
--         FILTER (WHERE
-- at      1:17
SELECT * FROM t PIVOT (SUM(v) FOR k IN ('a', 'b'))
