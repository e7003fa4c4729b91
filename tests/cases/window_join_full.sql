-- why     rows of both sides
-- input   a: id INT, k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         1,x,00:00:10
--         2,y,00:00:20
--         3,x,00:01:10
--         4,z,00:02:00
-- input   b: n INT, k STRING, tt TIMESTAMP(3); watermark tt - 0s
--         10,x,00:00:50
--         11,x,00:00:55
--         13,y,00:01:01
--         12,x,00:02:10
--         14,w,00:02:30
-- expect  id,n
--         1,10
--         1,11
--         2,NULL
--         3,NULL
--         4,NULL
--         NULL,12
--         NULL,13
--         NULL,14
SELECT l.id, r.n FROM (SELECT * FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS l
FULL JOIN (SELECT * FROM TUMBLE(TABLE b, DESCRIPTOR(tt), INTERVAL '1' MINUTE)) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
