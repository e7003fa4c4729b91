-- why     groups joined with groups: each change of a group changes its rows
-- input   a: k STRING, v INT
--         x,1
--         y,2
--         x,3
-- input   b: k STRING, w INT
--         x,10
--         z,5
--         x,20
-- expect  k,s,t
--         x,4,30
SELECT l.k, s, t FROM (SELECT k, SUM(v) AS s FROM a GROUP BY k) l
JOIN (SELECT k, SUM(w) AS t FROM b GROUP BY k) r ON l.k = r.k
