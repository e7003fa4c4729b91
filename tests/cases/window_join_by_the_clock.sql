-- why     windows of processing time are joined when the clock passes their end
-- input   l: k STRING, v INT
-- input   r: k STRING, w INT
-- input   l at 12:00:01
--         a,1
-- input   r at 12:00:02
--         a,2
-- input   r at 12:00:11
--         a,3
-- tick    12:00:20
-- input   l at 12:00:21
--         a,4
-- expect  window_start,v,w
--         12:00:00,1,2
--         12:00:10,NULL,3
--         12:00:20,4,NULL
-- targets flink gap: processing time cannot be set there
SELECT COALESCE(l.window_start, r.window_start) AS window_start, v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM l), DESCRIPTOR(pt), INTERVAL '10' SECOND))) AS l
FULL JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE (SELECT *, PROCTIME() AS pt FROM r), DESCRIPTOR(pt), INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
