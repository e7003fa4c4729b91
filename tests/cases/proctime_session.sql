-- why     a session of processing time ends when nothing was read for the gap
-- input   t: k STRING, v INT
-- input   t at 12:00:00
--         a,1
-- input   t at 12:00:59.999
--         a,2
--         b,1
-- input   t at 12:01:59.999
--         a,4
-- expect  k,window_start,window_end,total
--         a,12:00:00,12:01:59.999,3
--         a,12:01:59.999,12:02:59.999,4
--         b,12:00:59.999,12:01:59.999,1
-- targets flink gap: processing time cannot be set there
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE (SELECT *, PROCTIME() AS pt FROM t) PARTITION BY k, DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
