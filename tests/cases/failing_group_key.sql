-- why     a row without a key belongs to no group; the others are counted
-- input   t: v INT
--         0
--         5
--         5
-- expect  q,n
--         2,2
-- rejected division by zero | "v":0
SELECT 10 / v AS q, COUNT(*) AS n FROM t GROUP BY 10 / v
