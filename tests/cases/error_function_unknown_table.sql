-- why     near names help against a slip of the pen
-- input   t: text STRING
-- error   Unknown table function 'wodrs'
--         WORDS
-- at      2:18
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
SELECT * FROM t, LATERAL TABLE(wodrs(text))
