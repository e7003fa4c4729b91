-- why     FILTER and DISTINCT choose the rows of one aggregate alone
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,1,00:00:06
--         b,2,00:00:07
--         b,NULL,00:00:08
-- expect  n,big,different,sum_different
--         4,1,2,3
SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE v > 1) AS big, COUNT(DISTINCT v) AS different, SUM(DISTINCT v) AS sum_different
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
