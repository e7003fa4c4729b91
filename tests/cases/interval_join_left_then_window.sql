-- why     a row given alone late is not late for a window behind: its mark was held back for it
-- input   l: k STRING, v INT, lt TIMESTAMP(3); watermark lt - 0s
--         a,1,00:00:09
--         a,2,00:00:31
-- input   r: k STRING, w INT, rt TIMESTAMP(3); watermark rt - 0s
--         a,0,00:00:33
-- expect  window_start,n,met
--         00:00:00,1,0
--         00:00:30,1,1
CREATE VIEW near AS SELECT l.k, v, lt, w FROM l LEFT JOIN r
ON l.k = r.k AND r.rt BETWEEN l.lt - INTERVAL '5' SECOND AND l.lt + INTERVAL '10' SECOND;
SELECT window_start, COUNT(*) AS n, COUNT(w) AS met
FROM TABLE(TUMBLE(TABLE near, DESCRIPTOR(lt), INTERVAL '10' SECOND))
GROUP BY window_start, window_end
