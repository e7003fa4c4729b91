-- why     a local day in October has 25 hours, and the hour that comes twice is one window
-- input   bids: k STRING, ts TIMESTAMP_LTZ(3); watermark ts - 0s
--         a,2026-10-24 22:00:00
--         b,2026-10-25 00:30:00
--         c,2026-10-25 01:30:00
--         d,2026-10-25 22:59:00
--         e,2026-10-25 23:00:00
-- set     table.local-time-zone = Europe/Berlin
-- expect  window_start,ks
--         2026-10-25 00:00:00,'a,b,c,d'
--         2026-10-26 00:00:00,e
SELECT window_start, LISTAGG(k) AS ks
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end
