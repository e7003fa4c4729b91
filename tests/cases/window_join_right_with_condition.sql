-- why     who meets nobody is decided by the whole condition, not by the key alone
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:01
--         a,7,00:00:02
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,6,00:00:03
--         a,8,00:00:04
-- expect  v,w
--         7,6
--         NULL,8
SELECT v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS l RIGHT JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND v > w AND l.window_start = r.window_start AND l.window_end = r.window_end
