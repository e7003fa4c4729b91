-- why     by processing time the first row to come is the first, at once
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,3
-- expect  k,v
--         a,1
--         b,2
-- changes +I a,1
--         +I b,2
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p) AS rn
  FROM (SELECT k, v, PROCTIME() AS p FROM t)
) WHERE rn = 1
