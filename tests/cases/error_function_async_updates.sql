-- why     an answer may differ the next time, so what is taken back could not be found again
-- input   t: k STRING
-- error   An async function needs rows that never change
CREATE FUNCTION looked_up AS 'tests.functions.looked_up' LANGUAGE PYTHON;
SELECT looked_up(k) AS up FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k)
