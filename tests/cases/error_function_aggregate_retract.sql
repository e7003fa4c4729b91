-- why     an aggregate without retract cannot follow rows that are taken back
-- input   t: k STRING
-- error   weighed has no method retract
--         retract(self, acc, *values)
-- at      2:8
CREATE FUNCTION weighed AS 'tests.functions.Weighed' LANGUAGE PYTHON;
SELECT weighed(n, n) AS total FROM (SELECT CAST(COUNT(*) AS INT) AS n FROM t GROUP BY k)
