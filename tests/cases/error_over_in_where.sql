-- why     WHERE is asked before OVER is computed
-- input   t: k STRING, v INT
-- error   cannot stand in WHERE
--         QUALIFY
-- at      1:23
SELECT v FROM t WHERE ROW_NUMBER() OVER (ORDER BY v) = 1
