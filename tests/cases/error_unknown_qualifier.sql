-- why     the qualifier is wrong, not the column
-- input   t: a INT
-- error   'u'
-- at      1:8
SELECT u.a FROM t
