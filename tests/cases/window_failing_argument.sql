-- why     inside a window too, a row that cannot be computed is rejected alone
-- input   bids: k STRING, s STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,x,00:00:06
--         a,2,00:00:07
-- expect  window_start,total
--         00:00:00,3
-- rejected x | "s":"x"
SELECT window_start, SUM(CAST(s AS INT)) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
