-- why     the older GROUP BY HOP takes slide and size in the same order
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:35
-- expect  ws,we,n
--         00:00:00,00:01:00,1
--         00:00:30,00:01:30,1
SELECT HOP_START(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE) AS ws,
  HOP_END(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE) AS we, COUNT(*) AS n
FROM bids GROUP BY HOP(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE)
