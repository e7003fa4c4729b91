-- why     the best of each window: bounds in PARTITION BY make it a rank per window, given once
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:05
--         b,7,00:00:10
--         a,4,00:00:20
--         c,1,00:00:30
--         b,1,00:01:05
-- expect  window_start,k,total,rn
--         00:00:00,a,9,1
--         00:00:00,b,7,2
--         00:01:00,b,1,1
-- changes +I 00:00:00,a,9,1
--         +I 00:00:00,b,7,2
--         +I 00:01:00,b,1,1
SELECT window_start, k, total, rn FROM (
  SELECT window_start, window_end, k, total,
    ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY total DESC) AS rn
  FROM (
    SELECT window_start, window_end, k, SUM(v) AS total
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, k
  )
) WHERE rn <= 2
