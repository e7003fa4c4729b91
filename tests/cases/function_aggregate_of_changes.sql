-- why     counts that change are taken back by retract before the new ones come
-- input   t: k STRING
--         a
--         b
--         a
--         c
--         a
--         b
-- expect  mid
--         2
-- targets flink gap: a Python function
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT middle(CAST(n AS INT)) AS mid FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k)
