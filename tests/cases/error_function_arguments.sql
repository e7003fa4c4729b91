-- why     a wrong number of arguments says how many there should be
-- input   t: s STRING
-- error   UPPER
-- at      1:8
SELECT UPPER(s, s) AS u FROM t
