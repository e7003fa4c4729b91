-- why     a plain annotated Python function is a SQL function; its argument is cast as it says
-- input   t: v SMALLINT
--         3
--         4
-- expect  twice
--         6
--         8
-- targets flink gap: a Python function
CREATE FUNCTION twice AS 'tests.functions.doubled' LANGUAGE PYTHON;
SELECT twice(v) AS twice FROM t
