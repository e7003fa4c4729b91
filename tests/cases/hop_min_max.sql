-- why     MIN and MAX cannot be taken apart when a pane leaves a sliding window
-- input   bids: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         9,00:00:05
--         1,00:00:15
--         5,00:00:25
--         7,00:00:35
-- expect  window_end,lo,hi
--         00:00:10,9,9
--         00:00:20,1,9
--         00:00:30,1,9
--         00:00:40,1,7
--         00:00:50,5,7
--         00:01:00,7,7
SELECT window_end, MIN(v) AS lo, MAX(v) AS hi
FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND))
GROUP BY window_start, window_end
