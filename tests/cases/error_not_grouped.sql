-- why     a column that is neither grouped nor aggregated has no one value
-- input   bids: k STRING, v INT
-- error   'v'
--         GROUP BY
-- at      1:11
SELECT k, v, COUNT(*) AS n FROM bids GROUP BY k
