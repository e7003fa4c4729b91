-- why     what is asked for may be computed from the row, and be a constant
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,9,00:00:01
--         2,19,00:00:02
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  id,name
--         1,ann
-- targets flink gap: its files and memory cannot be looked up
SELECT o.id, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
JOIN u FOR SYSTEM_TIME AS OF o.pt ON u.uid = o.k + 1 AND u.name = 'ann'
