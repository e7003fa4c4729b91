-- why     a stream joined with itself within a minute
-- input   bids: id INT, k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         1,x,00:00:00
--         2,x,00:00:30
--         3,x,00:02:00
--         4,y,00:02:00
-- expect  id,later
--         1,2
SELECT a.id, b.id AS later FROM bids a JOIN bids b ON a.k = b.k
AND b.ts > a.ts AND b.ts <= a.ts + INTERVAL '1' MINUTE
