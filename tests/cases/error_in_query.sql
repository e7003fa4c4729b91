-- why     a query inside an expression needs a join, which comes later
-- input   a: k STRING
-- error   IN (SELECT
SELECT k FROM a WHERE k IN (SELECT k FROM a)
