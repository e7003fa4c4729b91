-- why     rows that wait for a session are late as those of an aggregate are
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,2,00:05:00
--         a,3,00:00:30
-- expect  k,v,window_end
--         a,1,00:01:00
--         b,2,00:06:00
-- late    a,3,00:00:30
SELECT k, v, window_end
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
