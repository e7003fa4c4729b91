-- why     TUMBLE_ROWTIME carries the event time of a legacy window on to a second one
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  ws,total
--         00:00:00,15
--         00:10:00,16
SELECT TUMBLE_START(rowtime, INTERVAL '10' MINUTE) AS ws, SUM(part) AS total
FROM (SELECT TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS rowtime, SUM(v) AS part
      FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE))
GROUP BY TUMBLE(rowtime, INTERVAL '10' MINUTE)
