-- why     ranked rows of a window carry its time on: they can be grouped by the same window
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:05
--         b,7,00:00:10
--         c,1,00:00:20
--         a,1,00:01:05
-- expect  window_start,total
--         00:00:00,12
--         00:01:00,1
SELECT window_start, SUM(v) AS total FROM (
  SELECT window_start, window_end, v FROM (
  SELECT window_start, window_end, k, v, ROW_NUMBER() OVER (
    PARTITION BY window_start, window_end ORDER BY v DESC) AS rn
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE rn <= 2
) GROUP BY window_start, window_end
