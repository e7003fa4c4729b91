-- why     bounds of processing time are shown in the session's zone, and still carry the window on
-- set     table.local-time-zone = Asia/Kolkata
-- input   t: k STRING, v INT
-- input   t at 12:10:00
--         a,1
--         b,2
-- input   t at 12:29:59.999
--         b,4
-- input   t at 12:30:00
--         b,8
-- expect  window_start,most,n
--         17:00:00,6,2
--         18:00:00,8,1
-- targets flink gap: processing time cannot be set there
SELECT window_start, MAX(total) AS most, COUNT(*) AS n FROM (
  SELECT k, window_start, window_end, SUM(v) AS total
  FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' HOUR))
  GROUP BY k, window_start, window_end)
GROUP BY window_start, window_end
