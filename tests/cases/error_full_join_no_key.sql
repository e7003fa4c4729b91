-- why     a group with the key NULL on either side of a FULL JOIN stands alone: two rows with
--         (NULL, NULL), of which a sink keyed by both would keep one
-- input   a: k STRING, v INT
--         NULL,1
--         x,2
-- input   b: k STRING, w INT
--         NULL,7
--         x,8
-- error   keeps one row per (k, j), but nothing says that the changing results have one row per key
CREATE TABLE o (k STRING, n INT, j STRING, m INT, PRIMARY KEY (k, j) NOT ENFORCED)
WITH ('connector' = 'memory');
INSERT INTO o
SELECT k, n, j, m
FROM (SELECT k, SUM(v) AS n FROM a GROUP BY k)
FULL JOIN (SELECT k AS j, SUM(w) AS m FROM b GROUP BY k) ON k = j;
