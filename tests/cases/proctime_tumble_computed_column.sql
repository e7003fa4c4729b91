-- why     a computed column AS PROCTIME() is a processing time attribute
-- input   t: k STRING, v INT
-- input   t at 12:00:05
--         a,1
-- tick    12:01:00
-- input   t at 12:01:10
--         a,2
-- expect  k,window_start,total
--         a,12:00:00,1
--         a,12:01:00,2
-- targets flink gap: processing time cannot be set there
CREATE TABLE t (k STRING, v INT, pt AS PROCTIME()) WITH ('connector' = 'memory');
SELECT k, window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
