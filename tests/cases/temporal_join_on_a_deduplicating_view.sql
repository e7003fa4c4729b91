-- why     the newest row per key, as a view, is a table of versions: each order meets the rate of its time
-- input   rates: cur STRING, rate INT, rt TIMESTAMP(3); watermark rt - 0s
--         EUR,10,00:00:00
--         EUR,12,00:01:00
--         EUR,15,00:03:00
-- input   orders: id INT, cur STRING, ts TIMESTAMP(3); watermark ts - 0s
--         1,EUR,00:00:30
--         2,EUR,00:02:00
--         3,USD,00:02:10
-- expect  id,rate
--         1,10
--         2,12
WITH newest AS (
  SELECT cur, rate, rt FROM (
    SELECT cur, rate, rt, ROW_NUMBER() OVER (PARTITION BY cur ORDER BY rt DESC) AS rn FROM rates
  ) WHERE rn = 1
)
SELECT o.id, r.rate FROM orders AS o
JOIN newest FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur
