-- why     WHERE wants a truth value
-- input   t: a INT
-- error   BOOLEAN
-- at      1:23
SELECT a FROM t WHERE a + 1
