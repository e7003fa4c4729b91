-- why     ranks change by (partition, number); a sink keyed by the group must lose the groups that
--         have no rank any more
-- input   t: k STRING, p STRING, v INT
--         a,x,1
--         b,x,5
--         a,x,9
--         c,y,5
--         b,x,50
--         c,x,100
--         d,x,1000
-- expect  p,k,s,n
--         x,b,55,2
--         x,d,1000,1
--         y,c,105,1
-- targets flink gap: it wants ON CONFLICT where the key is not the result's own
CREATE TABLE o (p STRING, k STRING, s INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'memory');
INSERT INTO o
SELECT p, k, s, n FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY p ORDER BY s DESC) AS n
  FROM (SELECT k, MAX(p) AS p, SUM(v) AS s FROM t GROUP BY k)
)
WHERE n <= 2;
