-- why     by processing time each row is given at once, in the order they come
-- input   t: k STRING, v INT
--         a,1
--         b,2
--         a,4
-- expect  k,v,s,rn
--         a,1,1,1
--         b,2,2,1
--         a,4,5,2
-- changes +I a,1,1,1
--         +I b,2,2,1
--         +I a,4,5,2
SELECT k, v, SUM(v) OVER (PARTITION BY k ORDER BY p ROWS UNBOUNDED PRECEDING) AS s,
  ROW_NUMBER() OVER (PARTITION BY k ORDER BY p) AS rn
FROM (SELECT k, v, PROCTIME() AS p FROM t)
