-- why     a query inside an expression needs a join, which comes later
-- input   a: k STRING
-- error   sub-query
SELECT k FROM a WHERE k IN (SELECT k FROM a)
