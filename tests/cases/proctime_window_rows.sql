-- why     without GROUP BY rows get the bounds of their reading at once
-- input   t: v INT
-- input   t at 12:00:05
--         1
-- expect  v,window_start,window_end
--         1,12:00:00,12:01:00
-- targets flink gap: processing time cannot be set there
SELECT v, window_start, window_end
FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
