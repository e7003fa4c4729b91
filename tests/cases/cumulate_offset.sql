-- why     CUMULATE's steps begin where its window begins, offset and all
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         1,00:00:06
--         2,00:00:12
-- expect  window_start,window_end,s
--         00:00:05,00:00:10,1
--         00:00:05,00:00:15,3
SELECT window_start, window_end, SUM(v) AS s
FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND,
  INTERVAL '5' SECOND))
GROUP BY window_start, window_end
