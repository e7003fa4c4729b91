-- why     a row behind the watermark must not reopen a closed window
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         b,1,00:01:20
--         a,9,00:00:07
-- expect  window_start,k,n
--         00:00:00,a,1
--         00:01:00,b,1
-- late    a,9,00:00:07
-- targets flink, spark
SELECT window_start, k, COUNT(*) AS n
FROM TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end, k
