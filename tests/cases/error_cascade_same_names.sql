-- why     inner bounds that would hide the outer ones are refused: one of them wants a name
-- input   bids: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Two columns are named 'window_start'
-- at      6:12
CREATE VIEW minutes AS
SELECT window_start, window_end, window_time AS at, SUM(v) AS part
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, SUM(part) AS total
FROM TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(at), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end
