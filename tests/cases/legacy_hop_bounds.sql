-- why     HOP_START and HOP_END tell the bounds of each sliding window
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  ws,we,wt,total
--         1969-12-31 23:55:00,1970-01-01 00:05:00,1970-01-01 00:04:59.999,7
--         1970-01-01 00:00:00,1970-01-01 00:10:00,1970-01-01 00:09:59.999,15
--         1970-01-01 00:05:00,1970-01-01 00:15:00,1970-01-01 00:14:59.999,24
--         1970-01-01 00:10:00,1970-01-01 00:20:00,1970-01-01 00:19:59.999,16
SELECT HOP_START(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE) AS ws,
  HOP_END(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE) AS we,
  HOP_ROWTIME(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE) AS wt, SUM(v) AS total
FROM bids GROUP BY HOP(ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)
