-- why     FIRST_VALUE and LAST_VALUE go by arrival, not by event time
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 30s
--         late,00:00:20
--         early,00:00:10
-- expect  f,l
--         late,early
SELECT FIRST_VALUE(k) AS f, LAST_VALUE(k) AS l
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
