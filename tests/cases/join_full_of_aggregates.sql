-- why     a full join of changing groups
-- input   a: k STRING, v INT
--         x,1
--         y,2
--         x,3
-- input   b: k STRING, w INT
--         x,10
--         z,5
--         x,20
-- expect  k,s,k2,t
--         NULL,NULL,z,5
--         x,4,x,30
--         y,2,NULL,NULL
SELECT l.k, s, r.k AS k2, t FROM (SELECT k, SUM(v) AS s FROM a GROUP BY k) l
FULL JOIN (SELECT k, SUM(w) AS t FROM b GROUP BY k) r ON l.k = r.k
