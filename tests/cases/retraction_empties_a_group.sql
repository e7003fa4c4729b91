-- why     a group whose last row goes is deleted, not left with a zero
-- input   scores: k STRING, v INT; changes
--         + a,1
--         + b,2
--         - a,1
-- expect  k,total
--         b,2
SELECT k, SUM(v) AS total FROM scores GROUP BY k
