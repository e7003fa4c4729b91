-- why     two LEFT JOINs by the partners' keys keep the key of the left rows, through keys that
--         change their partner, partners that go and NULLs
-- input   a: id INT, k STRING; key id; upsert
--         +1,x
--         +2,z
--         +1,y
--         +3,NULL
-- input   b: k STRING, w INT; key k; upsert
--         +x,1
--         +y,2
--         +y,3
-- input   c: w INT, z STRING; key w; upsert
--         +3,t
--         +2,u
--         +1,s
--         -3,t
--         +3,tt
-- expect  id,k,w,z
--         1,y,3,tt
--         2,NULL,NULL,NULL
--         3,NULL,NULL,NULL
-- targets flink gap: it wants ON CONFLICT where the key is not the result's own
CREATE TABLE o (id INT, k STRING, w INT, z STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'memory');
INSERT INTO o
SELECT a.id, b.k, b.w, c.z FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN c ON b.w = c.w;
