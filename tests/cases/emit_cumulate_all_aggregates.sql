-- why     early results of every kind of aggregate are taken back as they were given
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: v INT, f DOUBLE, s STRING, ts TIMESTAMP(3); watermark ts - 1m
--         1,0.5,x,00:00:10
--         3,NULL,y,00:01:10
--         NULL,1.5,x,00:00:40
--         3,0.25,NULL,00:02:30
-- expect  window_end,n,total,low,high,f,first_s,texts,kinds
--         00:01:00,2,1,1,1,2.0,x,'x,x',1
--         00:02:00,3,4,1,3,2.0,x,'x,y,x',2
--         00:03:00,4,7,1,3,2.25,x,'x,y,x',2
-- targets flink gap: early and late results are experimental there and not for window functions
SELECT window_end, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS low, MAX(v) AS high, SUM(f) AS f,
  FIRST_VALUE(s) AS first_s, LISTAGG(s) AS texts, COUNT(DISTINCT s) AS kinds
FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' MINUTE))
GROUP BY window_start, window_end
