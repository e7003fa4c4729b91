-- why     double quotes mean names in one dialect and texts in the other: nobody should guess
-- input   t: k STRING
-- error   double quote
--         backticks
-- at      1:27
SELECT k FROM t WHERE k = "a"
