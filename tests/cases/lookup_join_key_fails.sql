-- why     a row whose key cannot be computed is rejected, not joined with nobody
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,10,00:00:01
--         2,0,00:00:02
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  id,name
--         1,ann
--         1,amy
-- rejected division | "id":2
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
LEFT JOIN u FOR SYSTEM_TIME AS OF o.pt ON u.uid = 100 / o.k
