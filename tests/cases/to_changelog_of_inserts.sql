-- why     a table that only grows is told of as inserts
-- input   t: k STRING
--         a
--         b
-- expect  op,k
--         INSERT,a
--         INSERT,b
SELECT * FROM TO_CHANGELOG(TABLE t)
