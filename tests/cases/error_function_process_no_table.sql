-- why     a process function stands over a table; the message shows how
-- input   t: k STRING, v INT
-- error   needs a table
--         PARTITION BY
CREATE FUNCTION numbered AS 'tests.functions.Numbered' LANGUAGE PYTHON;
SELECT * FROM numbered(k)
