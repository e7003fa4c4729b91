-- why     QUALIFY asks the rank without a sub-query
-- input   t: k STRING, v INT
--         a,5
--         a,3
--         a,7
--         b,1
-- expect  k,v
--         a,7
--         b,1
SELECT k, v FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) = 1
