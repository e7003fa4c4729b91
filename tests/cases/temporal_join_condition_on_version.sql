-- why     a condition asks the version that was found; it does not bring the one before it back
-- input   rates: cur STRING, rate INT, ok BOOLEAN, rts TIMESTAMP(3); watermark rts - 0s; key cur; upsert
--         + eur,2,true,00:00:00
--         + eur,3,false,00:20:00
-- input   orders: id INT, cur STRING, ots TIMESTAMP(3); watermark ots - 0s
--         1,eur,00:10:00
--         2,eur,00:30:00
-- expect  id,rate
--         1,2
--         2,NULL
SELECT id, rate FROM orders LEFT JOIN rates FOR SYSTEM_TIME AS OF orders.ots AS r
ON orders.cur = r.cur AND r.ok
