-- why     delays add up: a row that waited in the first join still meets the third table in time
-- input   a: k STRING, x INT, at_ TIMESTAMP(3); watermark at_ - 0s
--         k,1,00:00:00
--         k,2,00:00:20
-- input   b: k STRING, y INT, bt TIMESTAMP(3); watermark bt - 0s
--         k,10,00:00:08
--         k,20,00:00:21
-- input   c: k STRING, z INT, ct TIMESTAMP(3); watermark ct - 0s
--         k,100,00:00:07
--         k,200,00:00:22
--         k,300,00:00:40
-- expect  x,y,z
--         1,10,100
--         2,20,200
SELECT x, y, z FROM (
  SELECT a.k, x, y, at_ FROM a JOIN b
  ON a.k = b.k AND bt BETWEEN at_ AND at_ + INTERVAL '10' SECOND) AS ab
JOIN c ON ab.k = c.k AND ct BETWEEN at_ AND at_ + INTERVAL '10' SECOND
