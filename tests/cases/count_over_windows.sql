-- why     an unwindowed count over closed windows is updating again
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         a,00:00:06
--         b,00:01:05
--         a,00:02:05
-- expect  k,windows,most
--         a,2,2
--         b,1,1
SELECT k, COUNT(*) AS windows, MAX(n) AS most FROM (
  SELECT window_start, window_end, k, COUNT(*) AS n
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, k
) GROUP BY k
