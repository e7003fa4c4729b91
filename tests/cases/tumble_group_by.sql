-- why     the older GROUP BY TUMBLE must give what the window function gives
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,3,00:00:40
--         a,2,00:00:50
--         b,1,00:01:20
-- expect  ws,we,k,n
--         00:00:00,00:01:00,a,2
--         00:00:00,00:01:00,b,1
--         00:01:00,00:02:00,b,1
SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS ws, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS we, k, COUNT(*) AS n
FROM bids GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)
