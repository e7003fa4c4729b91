-- why     a table function has no value; the message says where it belongs
-- input   t: text STRING
-- error   words gives rows, not a value
--         LATERAL TABLE(words(
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
SELECT words(text) FROM t
