-- why     without groups there is a row even of no input: the result of a new accumulator
-- input   t: v INT
-- expect  mid
--         NULL
-- targets flink gap: a Python function
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT middle(v) AS mid FROM t
