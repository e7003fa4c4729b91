-- why     what a window of the clock fires belongs to the time before: a second window over it
--         takes the result of 12:01 to 12:02 into 12:00 to 12:02
-- input   t: v INT
-- input   t at 12:00:05
--         1
-- input   t at 12:01:40
--         2
-- input   t at 12:02:00
--         4
-- expect  window_start,window_end,total,parts
--         12:00:00,12:02:00,3,2
--         12:02:00,12:04:00,4,1
-- targets flink gap: processing time cannot be set there
WITH minutes AS (
  SELECT window_time AS at, SUM(v) AS v
  FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
  GROUP BY window_start, window_end, window_time
)
SELECT window_start, window_end, SUM(v) AS total, COUNT(*) AS parts
FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(at), INTERVAL '2' MINUTE))
GROUP BY window_start, window_end
