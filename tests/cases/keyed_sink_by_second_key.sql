-- why     a top row changes by its partition, but has the key of the groups below as well: a sink
--         keyed by that one must be told which group is no longer the first
-- input   t: k STRING, p STRING, v INT
--         a,x,1
--         b,x,5
--         a,x,9
--         c,y,5
--         b,x,50
--         c,x,100
-- expect  p,k,s
--         x,b,55
--         y,c,105
-- targets flink gap: it wants ON CONFLICT where the key is not the result's own
CREATE TABLE o (p STRING, k STRING, s INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO o
SELECT p, k, s FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY p ORDER BY s DESC) AS n
  FROM (SELECT k, MAX(p) AS p, SUM(v) AS s FROM t GROUP BY k)
)
WHERE n = 1;
