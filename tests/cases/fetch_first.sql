-- why     FETCH FIRST n ROWS ONLY is LIMIT in the standard's words
-- input   t: k INT
--         3
--         1
--         2
-- ordered k
--         1
--         2
SELECT k FROM t ORDER BY k FETCH FIRST 2 ROWS ONLY
