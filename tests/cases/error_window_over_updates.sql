-- why     a window cannot take back what it gave, so what feeds it must not change
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   rows that never change
--         Aggregate by [k, ts]
WITH counted AS (SELECT k, ts, COUNT(*) AS n FROM bids GROUP BY k, ts)
SELECT window_start, SUM(n) AS n FROM TABLE(TUMBLE(TABLE counted, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
