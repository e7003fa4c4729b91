-- why     an argument that cannot be computed rejects the row, not the group
-- input   bids: k STRING, s STRING
--         a,1
--         a,oops
--         a,2
-- expect  k,total
--         a,3
-- rejected oops | "s":"oops"
SELECT k, SUM(CAST(s AS INT)) AS total FROM bids GROUP BY k
