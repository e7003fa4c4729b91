-- why     NULL is one group, and an empty text another
-- input   bids: k STRING, v INT
--         NULL,1
--         '',2
--         NULL,3
-- expect  k,total
--         NULL,4
--         '',2
SELECT k, SUM(v) AS total FROM bids GROUP BY k
