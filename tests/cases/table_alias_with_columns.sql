-- why     an alias may name the columns anew
-- input   t: a INT, b STRING
--         1,x
-- expect  n,s
--         1,x
SELECT y.n, s FROM t AS y (n, s)
