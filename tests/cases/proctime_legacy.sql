-- why     the older GROUP BY windows work over processing time, also over PROCTIME() itself
-- input   t: k STRING, v INT
-- input   t at 12:00:05
--         a,1
-- input   t at 12:00:40
--         a,4
-- input   t at 12:01:20
--         a,8
-- expect  k,ws,we,total
--         a,12:00:00,12:01:00,5
--         a,12:01:00,12:02:00,8
-- targets flink gap: processing time cannot be set there
SELECT k, TUMBLE_START(PROCTIME(), INTERVAL '1' MINUTE) AS ws, TUMBLE_END(PROCTIME(), INTERVAL '1' MINUTE) AS we,
  SUM(v) AS total
FROM t GROUP BY k, TUMBLE(PROCTIME(), INTERVAL '1' MINUTE)
