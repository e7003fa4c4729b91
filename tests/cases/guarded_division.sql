-- why     AND asks its right side only where the left one leaves it open: no row fails here
-- input   t: a INT, b INT
--         4,2
--         1,0
--         1,1
--         NULL,0
--         9,NULL
-- expect  a,b
--         4,2
SELECT a, b FROM t WHERE b <> 0 AND a / b > 1
