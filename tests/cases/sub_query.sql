-- why     a sub-query in FROM is a table like any other
-- input   bids: k STRING, v INT
--         a,1
--         b,5
-- expect  name,twice
--         b,10
SELECT s.k AS name, s.w AS twice FROM (SELECT k, v * 2 AS w FROM bids) AS s WHERE s.w > 4
