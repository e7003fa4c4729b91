-- why     every aggregate in one window, over values that binary floats hold exactly
-- input   bids: v INT, x DOUBLE, s STRING, ts TIMESTAMP(3); watermark ts - 0s
--         1,2,a,00:00:05
--         2,4,b,00:00:06
--         3,4,NULL,00:00:07
--         NULL,6,c,00:00:08
-- expect  n,nv,total,avg_v,lo,hi,avg_x,sd,va,sdp,vap,f,l,texts
--         4,3,6,2,1,3,4.0,1.632993162,2.666666667,1.414213562,2.0,a,c,'a,b,c'
SELECT COUNT(*) AS n, COUNT(v) AS nv, SUM(v) AS total, AVG(v) AS avg_v, MIN(v) AS lo, MAX(v) AS hi, AVG(x) AS avg_x,
  STDDEV_SAMP(x) AS sd, VAR_SAMP(x) AS va, STDDEV_POP(x) AS sdp, VAR_POP(x) AS vap,
  FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS texts
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
