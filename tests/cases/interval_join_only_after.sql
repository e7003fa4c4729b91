-- why     partners that all lie behind a row are waited for until the last of them could have come
-- input   l: k STRING, v INT, lt TIMESTAMP(3); watermark lt - 0s
--         a,1,00:00:20
--         a,2,00:00:22
-- input   r: k STRING, w INT, rt TIMESTAMP(3); watermark rt - 0s
--         a,3,00:00:24
--         a,4,00:00:25
--         a,5,00:00:32
--         a,6,00:00:33
-- expect  v,w
--         1,4
--         2,5
--         NULL,3
--         NULL,6
SELECT v, w FROM l FULL JOIN r
ON l.k = r.k AND r.rt BETWEEN l.lt + INTERVAL '5' SECOND AND l.lt + INTERVAL '10' SECOND
