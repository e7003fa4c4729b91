-- why     a word too many: the place is the word
-- input   t: a INT, b INT
-- at      1:12
-- error   b
SELECT a a b FROM t
