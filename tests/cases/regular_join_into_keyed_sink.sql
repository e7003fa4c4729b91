-- why     a sink that keeps one row per key follows a left join by the left side's key
-- input   a: id INT, k STRING; key id; upsert
--         + 1,x
--         + 2,y
-- input   b: k STRING, w INT; key k; upsert
--         + x,10
--         + y,20
--         - y,20
-- input   a
--         + 2,x
-- expect  r: id,w
--         1,10
--         2,10
-- targets flink gap: it wants ON CONFLICT where the key is not the result's own
CREATE TABLE r (id INT, w INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT id, w FROM a LEFT JOIN b ON a.k = b.k
