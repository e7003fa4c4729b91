-- why     a group that falls below HAVING's bound is taken back
-- input   scores: k STRING, v INT; changes
--         + a,5
--         + a,6
--         + b,1
--         - a,6
-- expect  k,total
-- changes +U a,11
--         -U a,11
SELECT k, SUM(v) AS total FROM scores GROUP BY k HAVING SUM(v) > 10
