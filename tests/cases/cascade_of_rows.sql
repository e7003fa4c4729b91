-- why     a window over rows that have windows already: each row goes into the outer one by its time
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  outer_start,n
--         00:00:00,4
--         00:10:00,1
-- targets flink gap: it takes no query inside TABLE( )
SELECT window_start AS outer_start, COUNT(*) AS n
FROM TABLE(TUMBLE(
  TABLE (SELECT v, window_time AS at
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))),
  DESCRIPTOR(at), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
