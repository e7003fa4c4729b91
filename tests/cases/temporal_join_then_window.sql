-- why     the left side's time goes on
-- input   orders: id INT, cur STRING, amount INT, ots TIMESTAMP(3); watermark ots - 0s
--         1,eur,10,00:10:00
--         2,usd,10,00:20:00
--         3,eur,10,00:30:00
--         4,chf,10,00:40:00
-- input   rates: cur STRING, rate INT, rts TIMESTAMP(3); watermark rts - 0s; key cur; upsert
--         +eur,2,00:00:00
--         +usd,3,00:15:00
--         +eur,4,00:25:00
--         +yen,9,00:50:00
-- expect  window_start,s
--         00:00:00,50
--         00:30:00,40
CREATE VIEW valued AS SELECT o.amount * r.rate AS v, o.ots
FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ots AS r ON o.cur = r.cur;
SELECT window_start, SUM(v) AS s FROM TUMBLE(TABLE valued, DESCRIPTOR(ots), INTERVAL '30' MINUTE)
GROUP BY window_start, window_end
