-- why     a NULL key has no version; LEFT JOIN keeps the row
-- input   rates: cur STRING, rate INT, rts TIMESTAMP(3); watermark rts - 0s; key cur; upsert
--         + eur,2,00:00:00
-- input   orders: id INT, cur STRING, ots TIMESTAMP(3); watermark ots - 0s
--         1,NULL,00:10:00
--         2,eur,00:10:00
-- expect  id,rate
--         1,NULL
--         2,2
SELECT id, rate FROM orders LEFT JOIN rates FOR SYSTEM_TIME AS OF orders.ots AS r ON orders.cur = r.cur
