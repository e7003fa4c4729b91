-- why     instants (TIMESTAMP_LTZ) are as good a time as local ones
-- input   l: k STRING, v INT, lt TIMESTAMP_LTZ(3); watermark lt - 0s
--         a,1,2026-03-29 00:59:58Z
-- input   r: k STRING, w INT, rt TIMESTAMP_LTZ(3); watermark rt - 0s
--         a,2,2026-03-29 01:00:01Z
--         a,3,2026-03-29 01:00:04Z
-- set     table.local-time-zone = Europe/Berlin
-- expect  v,w
--         1,2
SELECT v, w FROM l JOIN r ON l.k = r.k AND r.rt BETWEEN l.lt AND l.lt + INTERVAL '5' SECOND
