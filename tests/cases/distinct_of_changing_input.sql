-- why     a row stands as long as one of its copies does
-- input   t: k STRING; changes
--         + a
--         + a
--         + b
--         - a
--         - b
-- expect  k
--         a
SELECT DISTINCT k FROM t
