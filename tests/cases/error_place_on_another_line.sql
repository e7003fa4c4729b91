-- why     places count lines of the user's own text
-- input   bids: k STRING, v INT
-- error   Unknown column 'vv'
-- at      3:7
SELECT k
FROM bids
WHERE vv > 1
