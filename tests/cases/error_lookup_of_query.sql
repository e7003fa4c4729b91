-- why     what is looked up is a table
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   b: k STRING, w INT
-- error   Only a table can be looked up
-- at      2:27
CREATE VIEW g AS SELECT k, SUM(w) AS s FROM b GROUP BY k;
SELECT o.id FROM o JOIN g FOR SYSTEM_TIME AS OF PROCTIME() ON o.k = g.k
