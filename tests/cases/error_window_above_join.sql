-- why     a regular join keeps rows for good, so its rows have no event time
-- input   t: id INT, ts TIMESTAMP(3); watermark ts - 0s
-- input   u: id INT, us TIMESTAMP(3); watermark us - 0s
-- error   no longer is the event time
--         regular join
CREATE VIEW j AS SELECT t.id, t.ts FROM t JOIN u ON t.id = u.id;
SELECT window_start, COUNT(*) AS n FROM TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end
