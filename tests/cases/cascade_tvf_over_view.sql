-- why     a window over a window, as the documentation writes it: a view that passes window_time on
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         b,4,00:04:00
--         b,8,00:06:00
--         a,16,00:11:00
-- expect  window_start,window_end,total
--         00:00:00,00:10:00,15
--         00:10:00,00:20:00,16
CREATE VIEW minutes AS
SELECT window_start AS from_, window_end AS to_, window_time AS rowtime, SUM(v) AS part
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, SUM(part) AS total
FROM TABLE(TUMBLE(DATA => TABLE minutes, TIMECOL => DESCRIPTOR(rowtime), SIZE => INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
