-- why     a table function gives a fixed number of columns
-- input   t: text STRING
-- error   3 names for the 2 columns of
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
SELECT * FROM t, LATERAL TABLE(words(text)) AS f(a, b, c)
