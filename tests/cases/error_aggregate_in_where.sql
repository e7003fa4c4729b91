-- why     WHERE judges rows before they are grouped
-- input   bids: k STRING, v INT
-- error   COUNT
--         HAVING
SELECT k, COUNT(*) AS n FROM bids WHERE COUNT(*) > 1 GROUP BY k
