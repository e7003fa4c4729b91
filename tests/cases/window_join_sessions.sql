-- why     sessions of both sides meet only where they begin and end alike
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:03
--         b,3,00:00:03
--         z,0,00:01:00
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,4,00:00:01
--         a,5,00:00:03
--         b,6,00:00:04
--         z,0,00:01:01
-- expect  k,window_start,window_end,v,w
--         a,00:00:01,00:00:08,1,4
--         a,00:00:01,00:00:08,1,5
--         a,00:00:01,00:00:08,2,4
--         a,00:00:01,00:00:08,2,5
--         b,00:00:03,00:00:08,3,NULL
--         z,00:01:00,00:01:05,0,NULL
SELECT l.k, l.window_start, l.window_end, v, w FROM
(SELECT * FROM TABLE(SESSION(TABLE l PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND))) AS l
LEFT JOIN
(SELECT * FROM TABLE(SESSION(TABLE r PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
