-- why     a window defined once serves several calls; another frame is another window
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,1,00:00:01
--         a,2,00:00:02
--         b,4,00:00:03
--         a,8,00:00:04
-- expect  k,v,s,n,s2
--         a,1,1,1,1
--         a,2,3,2,3
--         b,4,4,1,6
--         a,8,11,3,12
-- targets flink gap: it takes one OVER window for all aggregates
SELECT k, v, SUM(v) OVER w AS s, COUNT(*) OVER w AS n, SUM(v) OVER all_ AS s2
FROM t
WINDOW w AS (PARTITION BY k ORDER BY ts), all_ AS (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
