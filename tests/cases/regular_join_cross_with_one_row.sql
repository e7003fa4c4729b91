-- why     a join without keys: each row beside the newest total
-- input   t: v INT
--         1
--         2
--         3
-- expect  v,total
--         1,6
--         2,6
--         3,6
SELECT v, total FROM t CROSS JOIN (SELECT SUM(v) AS total FROM t) s
