-- why     a condition beside the one on the rank is asked of the ranked rows: it does not move others up
-- input   t: k STRING, v INT
--         a,5
--         b,9
--         c,7
-- expect  k,v,rn
--         c,7,2
SELECT k, v, rn FROM (SELECT k, v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t)
WHERE rn <= 2 AND k <> 'b'
