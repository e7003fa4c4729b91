-- why     without PARTITION BY all rows have one state; the input may be a sub-query
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,-3
-- expect  nth,seen
--         1,0.25
--         2,0.25 0.5
-- targets flink gap: a Python function
CREATE FUNCTION numbered AS 'tests.functions.Numbered' LANGUAGE PYTHON;
SELECT * FROM numbered(TABLE (SELECT v FROM t WHERE v > 0))
