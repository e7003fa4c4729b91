-- why     only the left side has a time to ask for
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   RIGHT JOIN
-- at      1:20
SELECT o.id FROM o RIGHT JOIN ver FOR SYSTEM_TIME AS OF o.ts ON o.k = ver.k
