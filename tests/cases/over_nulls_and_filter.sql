-- why     NULLs do not count, FILTER leaves rows out of the sum but not out of the result
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,NULL,00:00:01
--         a,2,00:00:02
--         b,5,00:00:03
--         a,NULL,00:00:04
-- expect  k,v,s,some,n
--         a,NULL,NULL,NULL,0
--         a,2,2,2,1
--         b,5,7,2,2
--         a,NULL,7,2,2
-- targets flink gap: it takes no FILTER before OVER
SELECT k, v, SUM(v) OVER (ORDER BY ts) AS s, SUM(v) FILTER (WHERE k = 'a') OVER (ORDER BY ts) AS `some`,
  COUNT(v) OVER (ORDER BY ts) AS n
FROM t
