-- why     an unknown key is told with the near names
-- input   t: user_id STRING, v INT
-- error   Unknown column 'userid'
--         user_id
CREATE FUNCTION numbered AS 'tests.functions.Numbered' LANGUAGE PYTHON;
SELECT * FROM numbered(TABLE t PARTITION BY userid)
