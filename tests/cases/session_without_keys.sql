-- why     without PARTITION BY all rows share their sessions; the outer TABLE( ) may be left out
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:00
--         b,00:00:40
--         c,00:03:00
-- expect  window_start,window_end,n
--         00:00:00,00:01:40,2
--         00:03:00,00:04:00,1
SELECT window_start, window_end, COUNT(*) AS n
FROM SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY window_start, window_end
