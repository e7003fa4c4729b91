-- why     a group key may be an expression, and the select list may repeat it
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         A,2,00:00:06
--         b,3,00:00:07
-- expect  up,total
--         A,3
--         B,3
SELECT UPPER(k) AS up, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, UPPER(k)
