-- why     a longer CUMULATE window holds what the shorter ones hold, distinct values once
-- input   t: v INT, s STRING, ts TIMESTAMP(3); watermark ts - 0s
--         1,x,00:00:01
--         1,y,00:00:06
--         2,z,00:00:16
-- expect  window_end,d,j,hi
--         00:00:05,1,x,1
--         00:00:10,1,'x,y',1
--         00:00:15,1,'x,y',1
--         00:00:20,2,'x,y,z',2
SELECT window_end, COUNT(DISTINCT v) AS d, LISTAGG(s) AS j, MAX(v) AS hi
FROM CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)
GROUP BY window_start, window_end
