-- why     DISTINCT names each row's change, though it never takes one back: a join of it only grows
-- input   t: k STRING, v INT
--         a,1
--         a,1
--         b,2
-- input   u: k STRING, w INT
--         a,5
--         c,7
--         a,5
-- expect  k,v,w
--         a,1,5
--         b,2,NULL
SELECT l.k, l.v, r.w
FROM (SELECT DISTINCT k, v FROM t) AS l LEFT JOIN (SELECT DISTINCT k, w FROM u) AS r ON l.k = r.k
