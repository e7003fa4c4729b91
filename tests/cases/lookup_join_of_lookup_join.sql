-- why     an answer may be what the next question asks for
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,10,00:00:01
--         2,20,00:00:02
--         3,99,00:00:03
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- input   c: who STRING, city STRING
--         ann,Rome
--         bob,Oslo
-- expect  id,name,city
--         1,ann,Rome
--         1,amy,NULL
--         2,bob,Oslo
--         3,NULL,NULL
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name, c.city FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
LEFT JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.k = u.uid
LEFT JOIN c FOR SYSTEM_TIME AS OF o.pt ON u.name = c.who
