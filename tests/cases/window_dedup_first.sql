-- why     the first row of each key and window
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1m
--         a,5,00:00:05
--         a,7,00:00:03
--         b,1,00:00:20
--         a,6,00:01:30
-- expect  window_start,k,v
--         00:00:00,a,7
--         00:00:00,b,1
--         00:01:00,a,6
SELECT window_start, k, v FROM (
  SELECT window_start, window_end, k, v, ROW_NUMBER() OVER (
    PARTITION BY window_start, window_end, k ORDER BY ts) AS rn
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE rn = 1
