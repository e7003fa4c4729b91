-- why     FOR SYSTEM_TIME AS OF stands behind JOIN
-- input   ver: k STRING, rate INT, vts TIMESTAMP(3); watermark vts - 0s; key k; upsert
-- error   stands behind JOIN
-- at      1:19
SELECT k FROM ver FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00'
