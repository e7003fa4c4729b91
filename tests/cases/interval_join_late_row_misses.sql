-- why     a partner that has ended is no match for a late row, whether or not it was cleared away
-- input   l: k STRING, v INT, lt TIMESTAMP(3); watermark lt - 0s
--         a,1,00:00:20
--         b,0,00:00:40
-- input   r: k STRING, w INT, rt TIMESTAMP(3); watermark rt - 0s
--         b,9,00:00:41
--         a,2,00:00:25
-- expect  k,v,w
--         b,0,9
SELECT l.k, v, w FROM l JOIN r ON l.k = r.k AND r.rt BETWEEN l.lt - INTERVAL '5' SECOND AND l.lt + INTERVAL '10' SECOND
