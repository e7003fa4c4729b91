-- why     LIMIT over a changing result takes from what stands at the end, in no order that is promised
-- input   bids: k STRING
--         a
--         a
--         a
-- expect  k,n
--         a,3
SELECT k, COUNT(*) AS n FROM bids GROUP BY k LIMIT 3
