-- why     a function that gives another value each time could never be taken back
-- input   t: k STRING
-- error   any_number(k)
--         takes rows back
CREATE FUNCTION any_number AS 'tests.functions.any_number' LANGUAGE PYTHON;
SELECT k, any_number(k) AS r FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k)
