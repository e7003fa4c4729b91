-- why     a condition beside the key is asked of each pair; a row none fits has no partner
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,10,00:00:01
--         2,20,00:00:02
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  id,name
--         1,amy
--         2,NULL
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
LEFT JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.k = u.uid AND u.name LIKE '%y'
