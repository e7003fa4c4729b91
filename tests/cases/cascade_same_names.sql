-- why     the outer window's columns hide inner ones: the inner bounds are renamed, as Flink asks
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,first_part,parts
--         00:00:00,00:00:00,3
--         00:10:00,00:11:00,1
-- targets flink gap: it takes no query inside TABLE( )
SELECT window_start, MIN(inner_start) AS first_part, COUNT(*) AS parts
FROM TABLE(TUMBLE(
  TABLE (SELECT window_start AS inner_start, window_time AS at
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end, window_time),
  DESCRIPTOR(at), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
