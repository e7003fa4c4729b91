-- why     the older GROUP BY SESSION gives what the window function gives
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,3,00:00:40
--         a,2,00:00:50
--         a,1,00:05:20
-- expect  k,ws,we,wt,total
--         a,00:00:00,00:01:50,00:01:49.999,3
--         a,00:05:20,00:06:20,00:06:19.999,1
--         b,00:00:40,00:01:40,00:01:39.999,3
SELECT k, SESSION_START(ts, INTERVAL '1' MINUTE) AS ws, SESSION_END(ts, INTERVAL '1' MINUTE) AS we,
  SESSION_ROWTIME(ts, INTERVAL '1' MINUTE) AS wt, SUM(v) AS total
FROM t GROUP BY k, SESSION(ts, INTERVAL '1' MINUTE)
