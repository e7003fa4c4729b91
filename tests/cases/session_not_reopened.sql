-- why     a session that is closed stays as it is: a row inside it that comes later is late
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,1,00:00:50
--         b,1,00:10:00
--         a,9,00:00:20
--         a,5,00:09:30
-- expect  k,window_start,window_end,total
--         a,00:00:00,00:01:50,2
--         a,00:09:30,00:10:30,5
--         b,00:10:00,00:11:00,1
-- late    a,9,00:00:20
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
