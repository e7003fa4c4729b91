-- why     OFFSET skips after ordering
-- input   bids: v INT
--         5
--         3
--         4
--         1
-- ordered v
--         3
--         4
SELECT v FROM bids ORDER BY v LIMIT 2 OFFSET 1
