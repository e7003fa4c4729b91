-- why     which row is asked for is said in ON
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   needs ON
-- at      1:35
SELECT o.id FROM o CROSS JOIN ver FOR SYSTEM_TIME AS OF o.ts
