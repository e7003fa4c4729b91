-- why     columns nobody reads are not decoded, and a count needs none
-- input   bids: a STRING, b INT, c DOUBLE
--         x,1,1.5
--         y,2,2.5
-- expect  n
--         2
SELECT COUNT(*) AS n FROM bids
