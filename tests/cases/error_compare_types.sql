-- why     a comparison of a number and a date has no meaning; the message names both types
-- input   t: a INT, d DATE
-- error   INT
--         DATE
-- at      1:23
SELECT a FROM t WHERE a > d
