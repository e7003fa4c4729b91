-- why     a WITH query of a table's name hides it, but reads the table itself
-- input   t: a INT
--         1
--         5
-- expect  a
--         50
WITH t AS (SELECT a * 10 AS a FROM t WHERE a > 2) SELECT a FROM t
