-- why     the bounds of a day are wall-clock times: a day of 23 hours closes an hour earlier
-- input   l: k STRING, v INT, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,1,2026-03-28 23:30:00Z
-- input   r: k STRING, w INT, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2,2026-03-29 21:30:00Z
--         a,3,2026-03-29 22:00:00Z
-- input   l
--         a,4,2026-03-29 22:00:00Z
--         a,5,2026-03-29 21:59:59Z
-- set     table.local-time-zone = Europe/Berlin
-- expect  window_start,v,w
--         2026-03-29 00:00:00,1,2
--         2026-03-30 00:00:00,4,3
-- late    a,5,2026-03-29 21:59:59Z,2026-03-29 00:00:00,2026-03-30 00:00:00,2026-03-29 21:59:59.999Z,NULL,NULL,NULL,NULL,NULL,NULL
SELECT l.window_start, v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '1' DAY))) AS l JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' DAY))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
