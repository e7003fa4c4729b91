-- why     windows of one start and different ends are different windows
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,2,00:00:06
-- expect  window_start,window_end,v,w
--         00:00:00,00:00:05,1,NULL
--         00:00:00,00:00:10,1,2
SELECT l.window_start, l.window_end, v, w FROM
(SELECT * FROM TABLE(CUMULATE(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) AS l LEFT JOIN
(SELECT * FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
