-- why     a view that keeps the last row per key is a versioned table
-- input   orders: id INT, cur STRING, amount INT, ots TIMESTAMP(3); watermark ots - 0s
--         1,eur,10,00:10:00
--         2,usd,10,00:20:00
--         3,eur,10,00:30:00
--         4,chf,10,00:40:00
-- input   changes: cur STRING, rate INT, rts TIMESTAMP(3); watermark rts - 0s
--         eur,2,00:00:00
--         usd,3,00:15:00
--         eur,4,00:25:00
--         yen,9,00:50:00
-- expect  id,v
--         1,20
--         2,30
--         3,40
CREATE VIEW rates AS SELECT cur, rate, rts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY cur ORDER BY rts DESC) AS n FROM changes) WHERE n = 1;
SELECT id, amount * rate AS v FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ots AS r ON o.cur = r.cur
