-- why     what other dialects know is refused with its place, never half understood
-- input   bids: k STRING, v INT
-- error   QUALIFY
-- at      1:20
SELECT k FROM bids QUALIFY v > 1
