-- why     LEFT JOIN keeps a row for which the function gives nothing; one for which it raises is rejected
-- input   lines: id INT, text STRING
--         1,to be
--         2,''
--         3,x stop y
--         4,z
-- expect  id,word
--         1,to
--         1,be
--         2,NULL
--         4,z
-- rejected words: ValueError: no more | "id":3
-- targets flink gap: a Python function
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
SELECT id, word FROM lines LEFT JOIN LATERAL TABLE(words(text)) AS t(word, n) ON TRUE
