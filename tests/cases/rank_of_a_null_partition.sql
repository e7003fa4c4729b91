-- why     rows whose partition is NULL are a partition of their own
-- input   t: k STRING, v INT
--         NULL,1
--         a,5
--         NULL,3
-- expect  k,v
--         NULL,3
--         a,5
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t
) WHERE rn = 1
