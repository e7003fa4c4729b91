-- why     bounds of a legacy window may stand inside expressions, in HAVING and in ORDER BY
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- ordered  k,minutes,n
--         b,5,1
--         b,5,1
SELECT k, TIMESTAMPDIFF(MINUTE, TUMBLE_START(ts, INTERVAL '5' MINUTE), TUMBLE_END(ts, INTERVAL '5' MINUTE)) AS minutes,
  COUNT(*) AS n
FROM bids GROUP BY k, TUMBLE(ts, INTERVAL '5' MINUTE)
HAVING TUMBLE_END(ts, INTERVAL '5' MINUTE) <= TIMESTAMP '1970-01-01 00:10:00' AND SUM(v) > 3
ORDER BY TUMBLE_START(ts, INTERVAL '5' MINUTE)
