-- why     TUMBLE_PROCTIME of a window of event time is the moment its result came
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   t at 12:00:00
--         1,00:00:05
-- input   t at 12:00:07
--         2,00:01:05
-- expect  total,early
--         1,true
--         2,false
-- targets flink gap: processing time cannot be set there
SELECT SUM(v) AS total,
  TUMBLE_PROCTIME(ts, INTERVAL '1' MINUTE) >= TO_TIMESTAMP_LTZ(43207000, 3) AS early
FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)
