-- why     the version a row met is forgotten by the time the row is taken back: the left side must only grow
-- input   orders: id INT, cur STRING, ots TIMESTAMP(3); watermark ots - 0s; changes
-- input   rates: cur STRING, rate INT, rts TIMESTAMP(3); watermark rts - 0s; key cur; upsert
-- error   The left side of a join FOR SYSTEM_TIME AS OF needs rows that never change
SELECT id, rate FROM orders JOIN rates FOR SYSTEM_TIME AS OF orders.ots AS r ON orders.cur = r.cur
