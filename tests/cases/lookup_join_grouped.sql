-- why     what was looked up is aggregated like any other column
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,10,00:00:01
--         2,20,00:00:02
--         3,20,00:00:03
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  name,n
--         ann,1
--         amy,1
--         bob,2
-- targets flink gap: its files and memory cannot be looked up
SELECT u.name, COUNT(*) AS n FROM (SELECT *, PROCTIME() AS pt FROM o) AS o JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.k = u.uid
GROUP BY u.name
