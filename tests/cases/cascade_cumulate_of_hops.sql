-- why     growing windows over overlapping ones count what each slide gave
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,window_end,parts,most
--         00:00:00,00:05:00,1,7
--         00:00:00,00:10:00,2,15
--         00:10:00,00:15:00,1,24
--         00:10:00,00:20:00,2,24
WITH slides AS (
  SELECT window_time AS `at`, SUM(v) AS part
  FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
  GROUP BY window_start, window_end, window_time)
SELECT window_start, window_end, COUNT(*) AS parts, MAX(part) AS most
FROM TABLE(CUMULATE(TABLE slides, DESCRIPTOR(`at`), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
