-- why     a late row of either side is dropped, and shown with NULLs for the other side
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:25
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,3,00:00:02
--         a,4,00:00:26
--         a,5,00:00:03
-- input   l
--         a,6,00:00:04
-- expect  v,w
--         1,3
--         2,4
-- late    NULL,NULL,NULL,NULL,NULL,NULL,a,5,00:00:03,00:00:00,00:00:10,00:00:09.999
--         a,6,00:00:04,00:00:00,00:00:10,00:00:09.999,NULL,NULL,NULL,NULL,NULL,NULL
SELECT v, w FROM
(SELECT * FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS l JOIN
(SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' SECOND))) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
