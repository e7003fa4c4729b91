-- why     an aggregate without merge cannot be put together from the panes of a sliding window
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   has no method merge
--         HOP
CREATE FUNCTION weighed AS 'tests.functions.Weighed' LANGUAGE PYTHON;
SELECT weighed(v, v) AS total
FROM HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)
GROUP BY window_start, window_end
