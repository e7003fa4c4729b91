-- why     equations beyond the version's key are conditions: a newer version elsewhere ends the old one
-- input   rates: cur STRING, zone INT, rate INT, rts TIMESTAMP(3); watermark rts - 0s; key cur; upsert
--         + eur,1,2,00:00:00
--         + eur,2,3,00:20:00
-- input   orders: id INT, cur STRING, zone INT, ots TIMESTAMP(3); watermark ots - 0s
--         1,eur,1,00:10:00
--         2,eur,1,00:30:00
--         3,eur,2,00:30:00
-- expect  id,rate
--         1,2
--         3,3
-- targets flink gap: it keeps versions by the whole join key, so the one of the old zone never ends
SELECT id, rate FROM orders JOIN rates FOR SYSTEM_TIME AS OF orders.ots AS r
ON orders.cur = r.cur AND orders.zone = r.zone
