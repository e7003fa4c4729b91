-- why     a group that disappears must be deleted from a keyed sink
-- input   scores: k STRING, v INT; changes
--         + a,1
--         + b,2
--         - a,1
--         + c,3
-- expect  totals: k,total
--         b,2
--         c,3
CREATE TABLE totals (k STRING, total INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO totals SELECT k, SUM(v) FROM scores GROUP BY k
