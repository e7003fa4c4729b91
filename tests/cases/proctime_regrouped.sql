-- why     the bounds alone carry a window of the clock on to a second grouping
-- input   t: k STRING, v INT
-- input   t at 12:00:05
--         a,1
--         b,2
--         a,4
-- input   t at 12:01:00
--         b,8
-- expect  window_start,most,n
--         12:00:00,5,2
--         12:01:00,8,1
-- targets flink gap: processing time cannot be set there
SELECT window_start, MAX(total) AS most, COUNT(*) AS n FROM (
  SELECT k, window_start, window_end, SUM(v) AS total
  FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
  GROUP BY k, window_start, window_end)
GROUP BY window_start, window_end
