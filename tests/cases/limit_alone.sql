-- why     LIMIT without an order gives the first rows that came
-- input   bids: v INT
--         5
--         3
--         4
-- ordered v
--         5
--         3
SELECT v FROM bids LIMIT 2
