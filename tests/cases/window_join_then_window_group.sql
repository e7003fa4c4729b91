-- why     the window goes on: its rows are grouped by it
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
-- expect  window_start,n
--         00:00:00,2
SELECT window_start, COUNT(*) AS n FROM (
SELECT l.*, r.n FROM (SELECT * FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS l
INNER JOIN (SELECT * FROM TUMBLE(TABLE b, DESCRIPTOR(tt), INTERVAL '1' MINUTE)) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
) GROUP BY window_start, window_end
