-- why     rows keep their event time and mark while they wait: windows behind lose none
-- input   o: id INT, k INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,10,00:00:01
--         2,20,00:00:05
--         3,20,00:00:12
--         4,10,00:00:03
--         5,10,00:00:15
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- expect  window_start,name,n
--         00:00:00,ann,1
--         00:00:00,amy,1
--         00:00:00,bob,1
--         00:00:10,bob,1
--         00:00:10,ann,1
--         00:00:10,amy,1
-- late    4,10,00:00:03,ann
--         4,10,00:00:03,amy
-- targets flink gap: its files and memory cannot be looked up
SELECT window_start, name, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE (
  SELECT o.id, o.k, o.ts, u.name FROM (SELECT *, PROCTIME() AS pt FROM o) AS o JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.k = u.uid),
  DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, name
