-- why     partners that all lie before a row leave it alone as soon as its own time has passed
-- input   l: k STRING, v INT, lt TIMESTAMP(3); watermark lt - 0s
--         a,1,00:00:20
--         a,2,00:00:30
-- input   r: k STRING, w INT, rt TIMESTAMP(3); watermark rt - 0s
--         a,3,00:00:10
--         a,4,00:00:15
--         a,5,00:00:16
-- expect  v,w
--         1,3
--         1,4
--         2,NULL
--         NULL,5
SELECT v, w FROM l FULL JOIN r
ON l.k = r.k AND r.rt BETWEEN l.lt - INTERVAL '10' SECOND AND l.lt - INTERVAL '5' SECOND
