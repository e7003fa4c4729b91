-- why     late is decided after joining: an old row that touches an open session is not late
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:10:00
--         b,1,00:13:00
--         a,2,00:06:00
--         b,2,00:01:00
--         a,4,00:01:00
-- expect  k,window_start,window_end,total
--         a,00:01:00,00:15:00,7
--         b,00:13:00,00:18:00,1
-- late    b,2,00:01:00
SELECT k, window_start, window_end, SUM(v) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY k, window_start, window_end
