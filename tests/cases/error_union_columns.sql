-- why     parts of a union with other columns cannot be put below each other
-- input   one: k STRING, v INT
-- input   two: k STRING
-- error   UNION
SELECT k, v FROM one UNION ALL SELECT k FROM two
