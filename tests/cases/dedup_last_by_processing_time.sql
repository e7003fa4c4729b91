-- why     by processing time the last row to come is the last
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,3
-- expect  k,v
--         a,3
--         b,2
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p DESC) AS rn
  FROM (SELECT k, v, PROCTIME() AS p FROM t)
) WHERE rn = 1
