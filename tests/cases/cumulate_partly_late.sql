-- why     a row behind a fired step still counts in the longer ones
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:25
--         b,00:00:05
--         c,00:01:30
--         d,00:00:59
-- expect  window_end,ks
--         00:00:40,'a,b'
--         00:01:00,'a,b'
--         00:01:40,c
--         00:02:00,c
-- late    d,00:00:59
-- targets flink gap: its LISTAGG puts earlier steps first; ours keeps the order of arrival
SELECT window_end, LISTAGG(k) AS ks
FROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
