-- why     a condition of chance over rows that are deleted later would keep some for ever
-- input   a: id INT, k STRING; key id; upsert
--         +1,x
--         +2,x
--         -1,x
--         -2,x
-- error   RAND() gives another value each time it is computed
-- at      3:41
CREATE TABLE o (id INT, k STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'memory');
INSERT INTO o SELECT id, k FROM a WHERE RAND() < 0.5;
