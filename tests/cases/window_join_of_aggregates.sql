-- why     results of windows are joined by the windows they come from
-- input   l: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         b,4,00:00:11
-- input   r: k STRING, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,10,00:00:05
--         b,20,00:00:12
--         b,30,00:00:13
-- expect  window_start,k,vs,ws
--         00:00:00,a,3,10
--         00:00:10,b,4,50
SELECT l.window_start, l.k, vs, ws FROM
(SELECT k, window_start, window_end, SUM(v) AS vs FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND))
 GROUP BY k, window_start, window_end) AS l JOIN
(SELECT k, window_start, window_end, SUM(w) AS ws FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' SECOND))
 GROUP BY k, window_start, window_end) AS r
ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end
