-- why     a second GROUP BY on the same bounds works on the same windows and stays append-only
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,2,00:00:06
--         b,3,00:00:07
--         a,5,00:01:00
-- expect  window_start,top
--         00:00:00,5
--         00:01:00,5
SELECT window_start, MAX(total) AS top FROM (
  SELECT window_start, window_end, k, SUM(v) AS total
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k
) GROUP BY window_start, window_end
