-- why     a table without event time has no versions
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   b: k STRING, w INT
-- error   has no event time
--         PRIMARY KEY
-- at      1:27
SELECT o.id FROM o JOIN b FOR SYSTEM_TIME AS OF o.ts ON o.k = b.k
