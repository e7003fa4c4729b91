-- why     groups of the first rows of groups: a group that is no longer the first of its partition
--         leaves the sum above, which goes by another key than the ranks
-- input   t: k STRING, p STRING, v INT
--         a,x,1
--         b,x,5
--         a,x,9
--         c,y,5
--         c,y,50
--         d,y,20
--         b,x,100
-- expect  k,n,m
--         b,1,105
--         c,1,55
CREATE TABLE o (k STRING, n BIGINT, m INT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'memory');
INSERT INTO o
SELECT k, COUNT(*), MAX(s)
FROM (
  SELECT p, k, s FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY p ORDER BY s DESC) AS n
    FROM (SELECT k, MAX(p) AS p, SUM(v) AS s FROM t GROUP BY k)
  )
  WHERE n <= 1
)
GROUP BY k;
