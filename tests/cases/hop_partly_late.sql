-- why     a row is late only when its last window is closed; before that it counts in the open ones
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:10
--         b,00:01:05
--         c,00:00:40
--         d,00:00:20
-- expect  window_start,ks
--         1969-12-31 23:59:30,a
--         00:00:00,a
--         00:00:30,'b,c'
--         00:01:00,b
-- late    d,00:00:20
SELECT window_start, LISTAGG(k) AS ks
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '30' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
