-- why     in overlapping windows a pair is given once for each window that holds both
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:07
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,2,00:00:08
--         a,3,00:00:12
-- expect  window_start,v,w
--         00:00:00,1,2
--         00:00:05,1,2
--         00:00:05,1,3
SELECT l.window_start, v, w FROM
(SELECT * FROM TABLE(HOP(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) AS l JOIN
(SELECT * FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
