-- why     each change of the inner result takes its old value out of all the outer ones
-- input   t: k STRING, v INT
--         a,1
--         b,5
--         a,9
--         c,5
--         b,-5
-- expect  n,d,lo,hi,s,av
--         3,3,0,10,15,5
SELECT COUNT(*) AS n, COUNT(DISTINCT s) AS d, MIN(s) AS lo, MAX(s) AS hi, SUM(s) AS s, AVG(s) AS av
FROM (SELECT k, SUM(v) AS s FROM t GROUP BY k)
