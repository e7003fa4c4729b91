-- why     a filter over changes keeps both halves of what it keeps, and neither of the rest
-- input   t: k STRING, v INT; changes
--         + a,1
--         + b,9
--         - a,1
--         + a,8
--         - b,9
-- expect  k,w
--         a,16
SELECT k, v * 2 AS w FROM t WHERE v > 5
