-- why     the first rank may be left out: BETWEEN, and two conditions that say the same
-- input   t: k STRING, v INT
--         a,5
--         a,9
--         a,7
--         a,1
-- expect  v,rn
--         7,2
--         5,3
SELECT v, rn FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t)
WHERE rn BETWEEN 2 AND 4 AND 3 >= rn
