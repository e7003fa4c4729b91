-- why     a table whose rows do not say since when they hold has no versions to join
-- input   a: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- input   b: k STRING
-- error   no event time that says since when a row holds
SELECT a.k FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts ON a.k = b.k
