-- why     a local day in March has 23 hours; its window starts and ends at local midnight (Flink's TUMBLE function loses it)
-- input   bids: k STRING, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2026-03-28 22:59:00
--         b,2026-03-28 23:00:00
--         c,2026-03-29 21:59:00
--         d,2026-03-29 22:00:00
-- set     table.local-time-zone = Europe/Berlin
-- expect  window_start,window_end,ks
--         2026-03-28 00:00:00,2026-03-29 00:00:00,a
--         2026-03-29 00:00:00,2026-03-30 00:00:00,'b,c'
--         2026-03-30 00:00:00,2026-03-31 00:00:00,d
SELECT window_start, window_end, LISTAGG(k) AS ks
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end
