-- why     HAVING without GROUP BY judges the one row there is
-- input   bids: v INT
--         1
--         2
-- expect  n
--         2
SELECT COUNT(*) AS n FROM bids HAVING COUNT(*) > 1
