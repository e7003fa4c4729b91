-- why     a row that a filter drops still moves the watermark
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         drop,0,00:03:00
--         b,1,00:00:20
-- expect  window_start,n
--         00:00:00,1
-- late    b,1,00:00:20
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE v > 0 GROUP BY window_start, window_end
