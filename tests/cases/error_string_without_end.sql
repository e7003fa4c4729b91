-- why     the place is where the string begins, not the end of the file
-- input   t: k STRING
-- error   This string has no end.
-- at      2:11
SELECT k FROM t
WHERE k = 'a
