-- why     every kind of aggregate survives the joining of two sessions
-- input   t: k STRING, v INT, f DOUBLE, s STRING, ts TIMESTAMP(3); watermark ts - 10m
--         a,1,0.5,x,00:00:00
--         a,3,1.5,y,00:08:00
--         a,3,0.25,x,00:09:00
--         a,2,NULL,z,00:04:00
-- expect  k,n,total,mean,low,high,total_f,first_s,last_s,texts,kinds,sums,big
--         a,4,9,2,1,3,2.25,x,z,'x,y,x,z',3,6,2
-- targets flink gap: its FIRST_VALUE cannot be merged from panes
SELECT k, COUNT(*) AS n, SUM(v) AS total, AVG(v) AS mean, MIN(v) AS low, MAX(v) AS high,
  SUM(f) AS total_f, FIRST_VALUE(s) AS first_s, LAST_VALUE(s) AS last_s, LISTAGG(s) AS texts,
  COUNT(DISTINCT s) AS kinds, SUM(DISTINCT v) AS sums, COUNT(*) FILTER (WHERE v > 2) AS big
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY k, window_start, window_end
