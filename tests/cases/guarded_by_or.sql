-- why     OR stops at TRUE as AND stops at FALSE
-- input   t: a INT, b INT
--         4,2
--         1,0
--         1,1
-- expect  a,b
--         4,2
--         1,0
SELECT a, b FROM t WHERE b = 0 OR a / b > 1
