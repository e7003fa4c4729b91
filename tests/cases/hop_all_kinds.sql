-- why     each aggregate merges panes its own way; order and distinctness hold across panes
-- input   t: v INT, s STRING, ts TIMESTAMP(3); watermark ts - 10s
--         1,x,00:00:01
--         2,y,00:00:11
--         1,z,00:00:12
--         NULL,NULL,00:00:13
--         5,w,00:00:09
-- expect  window_start,n,d,f,l,j,a
--         1969-12-31 23:59:50,2,2,1,5,'x,w',3
--         00:00:00,5,3,1,5,'x,y,z,w',2
--         00:00:10,3,2,2,1,'y,z',1
-- targets flink gap: its FIRST_VALUE cannot be merged from panes
SELECT window_start, COUNT(*) AS n, COUNT(DISTINCT v) AS d, FIRST_VALUE(v) AS f,
  LAST_VALUE(v) AS l, LISTAGG(s) AS j, AVG(v) AS a
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)
GROUP BY window_start, window_end
