-- why     a time that was computed anew is no event time any more
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
-- error   no longer is the event time
WITH moved AS (SELECT k, ts + INTERVAL '1' HOUR AS ts FROM bids)
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE moved, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
