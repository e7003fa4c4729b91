-- why     a row whose argument fails is rejected and holds no session together
-- input   t: k STRING, s STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,x,00:00:50
--         a,2,00:01:40
-- expect  k,window_start,window_end,total
--         a,00:00:00,00:01:00,1
--         a,00:01:40,00:02:40,2
-- rejected  this is no INT | "s":"x"
SELECT k, window_start, window_end, SUM(CAST(s AS INT)) AS total
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
