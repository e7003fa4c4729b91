-- why     the mark is the lowest of the splits, so a slow split's rows are not late
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:10
-- input   bids@slow
--         s,00:00:01
-- input   bids
--         b,00:05:00
-- input   bids@slow
--         t,00:00:30
--         u,00:02:00
--         v,00:00:59
-- expect  window_start,n
--         00:00:00,3
--         00:02:00,1
--         00:05:00,1
-- late    v,00:00:59
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
