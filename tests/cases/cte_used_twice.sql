-- why     a WITH query read twice is one step, and both readers see all its rows
-- input   bids: k STRING, v INT
--         a,1
--         b,5
-- expect  k,v
--         a,1
--         b,5
--         b,5
WITH a_few AS (SELECT k, v FROM bids WHERE v > 0)
SELECT k, v FROM a_few UNION ALL SELECT k, v FROM a_few WHERE v > 2
