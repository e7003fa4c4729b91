-- why     the mark of a join is the lower one of both sides: a quick side waits for the slow one
-- input   l: k STRING, v INT, lt TIMESTAMP(3); watermark lt - 0s
--         a,1,00:00:10
--         a,2,00:01:00
-- input   r: k STRING, w INT, rt TIMESTAMP(3); watermark rt - 30s
--         x,0,00:00:40
--         a,3,00:00:12
-- input   l
--         a,4,00:00:11
-- expect  k,v,w
--         a,1,3
--         a,4,3
--         a,2,NULL
SELECT l.k, v, w FROM l LEFT JOIN r
ON l.k = r.k AND r.rt BETWEEN l.lt AND l.lt + INTERVAL '5' SECOND
