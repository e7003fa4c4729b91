-- why     a scalar function gives no rows
-- input   t: v INT
-- error   twice is no table function
CREATE FUNCTION twice AS 'tests.functions.doubled' LANGUAGE PYTHON;
SELECT * FROM t, LATERAL TABLE(twice(v))
