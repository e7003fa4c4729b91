-- why     a column selected twice gets a name of its own, as in Flink
-- input   t: a INT
--         1
-- expect  a,a0
--         1,1
SELECT a, a FROM t
