-- why     a sink keyed like the groups needs no old rows: the newest row of each key stands
-- input   bids: k STRING, v INT
--         a,1
--         b,2
--         a,5
-- expect  totals: k,total,n
--         a,6,2
--         b,2,1
CREATE TABLE totals (k STRING, total INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO totals SELECT k, SUM(v), COUNT(*) FROM bids GROUP BY k
