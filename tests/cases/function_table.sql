-- why     a table function gives several rows for one, beside the row's own columns
-- input   lines: id INT, text STRING
--         1,to be or
--         2,
--         3,not
-- expect  id,word,n
--         1,to,2
--         1,be,2
--         1,or,2
--         3,not,3
-- targets flink gap: a Python function
CREATE FUNCTION words AS 'tests.functions.words' LANGUAGE PYTHON;
SELECT id, word, n FROM lines, LATERAL TABLE(words(text)) AS t(word, n)
