-- why     the other set operations come later
-- input   a: k STRING
-- error   INTERSECT
-- at      1:17
SELECT k FROM a INTERSECT SELECT k FROM a
