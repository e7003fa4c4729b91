-- why     a group that falls below HAVING must leave the keyed sink, though no new row comes for it
-- input   scores: k STRING, v INT; changes
--         + a,5
--         + a,6
--         + b,20
--         - a,6
-- expect  totals: k,total
--         b,20
CREATE TABLE totals (k STRING, total INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO totals SELECT k, SUM(v) FROM scores GROUP BY k HAVING SUM(v) > 10
