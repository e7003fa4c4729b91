-- why     a row is late by the mark it arrived under, not by that of its batch
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 10s
--         a,00:00:50
--         b,00:01:09.998
--         c,00:00:59
--         d,00:01:09.999
--         e,00:00:58
--         f,00:01:00
-- expect  window_start,ks
--         00:00:00,'a,c'
--         00:01:00,'b,d,f'
-- late    e,00:00:58
SELECT window_start, LISTAGG(k) AS ks FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
