-- why     windows of processing time go by when rows were read, whatever event times they carry
-- input   t: k STRING, v INT
-- input   t at 12:00:05
--         a,1
--         b,2
-- input   t at 12:00:40
--         a,4
-- input   t at 12:01:20
--         a,8
-- expect  k,window_start,window_end,total
--         a,12:00:00,12:01:00,5
--         b,12:00:00,12:01:00,2
--         a,12:01:00,12:02:00,8
-- targets flink gap: processing time cannot be set there
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
