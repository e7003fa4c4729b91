-- why     the condition says which key is meant
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   which key (k)
--         a.k = t.k
-- at      1:29
SELECT o.id FROM o JOIN ver FOR SYSTEM_TIME AS OF o.ts ON o.id = ver.rate
