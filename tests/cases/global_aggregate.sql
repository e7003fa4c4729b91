-- why     without keys there is one row, kept up to date
-- input   bids: v INT
--         1
--         NULL
--         5
-- expect  n,total,mean
--         3,6,3
SELECT COUNT(*) AS n, SUM(v) AS total, AVG(v) AS mean FROM bids
