-- why     a window's bounds exist only behind a window function
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   Unknown column 'window_start'
-- at      1:8
SELECT window_start, COUNT(*) AS n FROM bids GROUP BY window_start
