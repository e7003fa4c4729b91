-- why     the event time may be computed from what the system stores
-- input   bids: k STRING, at STRING
--         a,2026-01-01 00:00:05
--         b,2026-01-01 00:01:10
--         c,2026-01-01 00:00:10
-- expect  window_start,n
--         2026-01-01 00:00:00,1
--         2026-01-01 00:01:00,1
-- late    c,'2026-01-01 00:00:10',2026-01-01 00:00:10
CREATE TABLE bids (
  k STRING, `at` STRING, ts AS TO_TIMESTAMP(`at`), WATERMARK FOR ts AS ts - INTERVAL '0' SECOND
) WITH ('connector' = 'memory');
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
