-- why     LIMIT 0 is an answer: no rows
-- input   t: k STRING
--         a
-- expect  k
SELECT k FROM t LIMIT 0
