-- why     two equations with one column must both hold
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         10,10,00:00:01
--         7,10,00:00:02
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  id,name
--         7,NULL
--         10,ann
--         10,amy
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
LEFT JOIN u FOR SYSTEM_TIME AS OF o.pt ON u.uid = o.k AND u.uid = o.id
