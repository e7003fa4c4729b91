-- why     keys of every type are compared as what they are; NULL in one of them meets nothing
-- input   l: a DECIMAL(10, 2), b BOOLEAN, c DATE, d ROW<x INT, y STRING>, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1.50,TRUE,2026-01-01,{"x":1,"y":"p"},1,00:00:01
--         1.50,TRUE,2026-01-01,{"x":1,"y":"q"},2,00:00:01
--         NULL,TRUE,2026-01-01,{"x":1,"y":"p"},3,00:00:01
--         1.50,TRUE,2026-01-01,NULL,4,00:00:01
-- input   r: a DECIMAL(10, 2), b BOOLEAN, c DATE, d ROW<x INT, y STRING>, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         1.50,TRUE,2026-01-01,{"x":1,"y":"p"},10,00:00:02
--         1.50,FALSE,2026-01-01,{"x":1,"y":"p"},20,00:00:02
--         NULL,TRUE,2026-01-01,{"x":1,"y":"p"},30,00:00:02
--         1.50,TRUE,2026-01-01,NULL,40,00:00:02
-- expect  v,w
--         1,10
--         2,NULL
--         3,NULL
--         4,NULL
SELECT v, w FROM l LEFT JOIN r
ON l.a = r.a AND l.b = r.b AND l.c = r.c AND l.d = r.d
AND l.ts BETWEEN r.ts - INTERVAL '5' SECOND AND r.ts
