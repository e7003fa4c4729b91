-- why     a pair whose condition cannot be computed is rejected, and its left row has no partner
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,6,00:00:01
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,0,00:00:02
-- expect  v,w
--         6,NULL
-- rejected division | "w":0
SELECT v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS l LEFT JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND v / w = 3 AND l.window_start = r.window_start AND l.window_end = r.window_end
