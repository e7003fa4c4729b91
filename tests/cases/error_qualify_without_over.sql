-- why     QUALIFY asks what OVER computes; other conditions belong into WHERE
-- input   bids: k STRING, v INT
-- error   QUALIFY
--         WHERE
SELECT k FROM bids QUALIFY v > 1
