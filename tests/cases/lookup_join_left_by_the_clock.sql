-- why     windows of processing time count a row when its answer has come
-- input   o: id INT, k INT
-- input   u: uid INT, name STRING
--         10,ann
--         20,bob
--         10,amy
--         NULL,nobody
-- input   o at 12:00:05
--         1,20
--         2,99
-- input   o at 12:01:10
--         3,20
-- tick    12:02:00
-- expect  window_start,name,n
--         12:00:00,bob,1
--         12:00:00,NULL,1
--         12:01:00,bob,1
-- targets flink gap: processing time cannot be set there
SELECT window_start, name, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE (
  SELECT o.id, u.name, o.pt FROM (SELECT *, PROCTIME() AS pt FROM o) AS o LEFT JOIN u FOR SYSTEM_TIME AS OF o.pt ON o.k = u.uid),
  DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, name
