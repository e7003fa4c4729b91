-- why     an aggregate of aggregates: the sum of all groups' sums, group by group
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,4
-- expect  k,own,so_far
--         a,5,5
--         b,2,7
SELECT k, SUM(v) AS own, SUM(SUM(v)) OVER (ORDER BY k) AS so_far FROM t GROUP BY k
