-- why     the time asked for is an event time or a processing time
-- input   a: id INT, k STRING, v INT
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   neither the event time
-- at      1:29
SELECT a.id FROM a JOIN ver FOR SYSTEM_TIME AS OF a.v ON a.k = ver.k
