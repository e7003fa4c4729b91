-- why     FOR SYSTEM_TIME AS OF is refused by its name
-- input   a: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- input   b: k STRING
-- error   neither
SELECT a.k FROM a JOIN b FOR SYSTEM_TIME AS OF a.ts ON a.k = b.k
