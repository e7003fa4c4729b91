-- why     a new first row gives every row behind it another rank, which is told rank by rank
-- input   t: k STRING, v INT
--         a,5
--         a,7
-- expect  k,v,rn
--         a,7,1
--         a,5,2
-- changes +I a,5,1
--         -U a,5,1
--         +U a,7,1
--         +I a,5,2
SELECT k, v, rn FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t
) WHERE rn <= 2
