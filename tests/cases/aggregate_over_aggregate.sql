-- why     a count that changes must leave its old place in the outer count
-- input   bids: k STRING, v INT
--         a,1
--         b,1
--         a,1
--         c,1
-- expect  n,keys
--         1,2
--         2,1
SELECT n, COUNT(*) AS `keys` FROM (SELECT k, COUNT(*) AS n FROM bids GROUP BY k) GROUP BY n
