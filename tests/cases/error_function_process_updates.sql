-- why     a process function takes each row once and for ever
-- input   t: k STRING, v INT
-- error   A process function needs rows that never change
CREATE FUNCTION numbered AS 'tests.functions.Numbered' LANGUAGE PYTHON;
SELECT * FROM numbered(TABLE (SELECT k, SUM(v) AS v FROM t GROUP BY k) PARTITION BY k)
