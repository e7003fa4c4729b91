-- why     lists, tuples and decimals in the state come back from a checkpoint as they were
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,3
--         a,4
-- expect  k,nth,seen
--         a,1,0.25
--         b,1,0.5
--         a,2,0.25 0.75
--         a,3,0.25 0.75 1
-- targets flink gap: a Python function
CREATE FUNCTION numbered AS 'tests.functions.Numbered' LANGUAGE PYTHON;
SELECT * FROM numbered(TABLE t PARTITION BY k)
