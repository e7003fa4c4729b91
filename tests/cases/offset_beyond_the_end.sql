-- why     an OFFSET behind the last row leaves nothing
-- input   t: k STRING
--         b
--         a
-- ordered k
SELECT k FROM t ORDER BY k LIMIT 5 OFFSET 7
