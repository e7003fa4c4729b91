-- why     a year without rows costs nothing and gives nothing
-- input   bids: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,2025-01-01 00:00:30
--         2,2026-01-01 00:00:30
-- expect  window_end,total
--         2025-01-01 00:00:40,1
--         2025-01-01 00:00:50,1
--         2026-01-01 00:00:40,2
--         2026-01-01 00:00:50,2
SELECT window_end, SUM(v) AS total
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end
