-- why     where the key holds the count too, the old row must be deleted before the new one comes
-- input   bids: k STRING
--         a
--         a
--         b
-- expect  counts: k,n
--         a,2
--         b,1
CREATE TABLE counts (k STRING, n BIGINT, PRIMARY KEY (k, n) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO counts SELECT k, COUNT(*) FROM bids GROUP BY k
