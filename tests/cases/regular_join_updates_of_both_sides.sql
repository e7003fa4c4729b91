-- why     both sides are groups that change: the join stands for the newest results only
-- input   a: k STRING, v INT
--         x,1
--         y,2
-- input   b: k STRING, w INT
--         x,10
-- input   a
--         x,3
-- input   b
--         x,20
--         y,5
-- expect  k,s,t
--         x,4,30
--         y,2,5
SELECT l.k, s, t FROM (SELECT k, SUM(v) AS s FROM a GROUP BY k) l
JOIN (SELECT k, SUM(w) AS t FROM b GROUP BY k) r ON l.k = r.k
