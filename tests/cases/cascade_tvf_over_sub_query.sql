-- why     the inner window may stand as a sub-query in the outer one's table argument
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,k,total,parts
--         00:00:00,a,3,1
--         00:00:00,b,12,2
--         00:10:00,a,16,1
-- targets flink gap: it takes no query inside TABLE( )
SELECT window_start, k, SUM(part) AS total, COUNT(*) AS parts
FROM TABLE(TUMBLE(
  TABLE (SELECT k, window_time AS at, SUM(v) AS part
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY k, window_start, window_end, window_time),
  DESCRIPTOR(at), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, k
