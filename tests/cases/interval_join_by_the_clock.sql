-- why     by processing time rows meet by when they were read; who waits too long is given alone
-- input   l: k STRING, v INT
-- input   r: k STRING, w INT
-- input   l at 12:00:00
--         a,1
--         b,2
-- input   r at 12:00:05
--         a,3
-- input   r at 12:00:11
--         a,4
--         b,5
-- input   l at 12:00:12
--         b,6
-- tick    12:01:00
-- expect  k,v,w
--         a,1,3
--         b,2,NULL
--         b,6,NULL
-- targets flink gap: processing time cannot be set there
SELECT a.k, v, w FROM (SELECT *, PROCTIME() AS pt FROM l) AS a
LEFT JOIN (SELECT *, PROCTIME() AS pt FROM r) AS b
ON a.k = b.k AND b.pt BETWEEN a.pt AND a.pt + INTERVAL '10' SECOND
