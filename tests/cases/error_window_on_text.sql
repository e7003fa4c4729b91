-- why     a window needs a time; the message says how to make one
-- input   t: k STRING, ts STRING
-- error   The window needs a TIMESTAMP(3)
SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
