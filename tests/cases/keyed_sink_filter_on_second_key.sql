-- why     a filter over the group's key of top rows that change by their partition: a first row
--         that is replaced by one that does not pass must go
-- input   t: k STRING, p STRING, v INT
--         a,x,1
--         b,x,5
--         a,x,9
--         c,y,5
--         b,x,50
--         c,x,100
--         d,x,1000
-- expect  p,k,s
--         y,c,105
CREATE TABLE o (p STRING, k STRING, s INT, PRIMARY KEY (p) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO o
SELECT p, k, s FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY p ORDER BY s DESC) AS n
  FROM (SELECT k, MAX(p) AS p, SUM(v) AS s FROM t GROUP BY k)
)
WHERE n = 1 AND k <> 'd';
