-- why     a condition must be a BOOLEAN
-- input   bids: k STRING, v INT
-- error   BOOLEAN
-- at      1:26
SELECT k FROM bids WHERE v + 1
