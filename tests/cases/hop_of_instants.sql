-- why     hopping windows over instants have local bounds too
-- input   bids: k STRING, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2026-06-01 00:10:00
-- expect  window_start,n
--         2026-06-01 01:30:00,1
--         2026-06-01 02:00:00,1
SET 'table.local-time-zone' = 'Europe/Berlin';
SELECT window_start, COUNT(*) AS n
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end
