-- why     NULL equals nothing, not even in one window
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         NULL,1,00:00:01
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         NULL,2,00:00:01
-- expect  v,w
--         1,NULL
--         NULL,2
SELECT v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS l FULL JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
