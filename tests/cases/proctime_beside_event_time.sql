-- why     a table with a watermark may also be windowed by the clock; event time says nothing then
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   t at 12:00:05
--         a,1,09:00:00
--         a,2,08:00:00
-- input   t at 12:00:30
--         a,4,01:00:00
-- expect  k,window_start,total
--         a,12:00:00,7
-- targets flink gap: processing time cannot be set there
SELECT k, window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM t), DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
