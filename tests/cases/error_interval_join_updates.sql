-- why     an interval join needs rows that never change
-- input   o: k STRING, id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   An interval join needs rows that never change
SELECT o.id, rate FROM o JOIN ver ON o.k = ver.k AND o.ts BETWEEN vts AND vts + INTERVAL '1' HOUR
