-- why     a condition inside the sub-query is asked before rows are ranked
-- input   t: k STRING, v INT
--         a,5
--         b,9
--         c,7
-- expect  k,v,rn
--         c,7,1
--         a,5,2
SELECT k, v, rn FROM (
  SELECT k, v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t WHERE k <> 'b'
) WHERE rn <= 2
