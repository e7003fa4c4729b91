-- why     rows with a running sum keep their event time
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         a,2,00:00:50
--         a,4,00:01:10
-- expect  window_start,hi
--         00:00:00,3
--         00:01:00,7
WITH sums AS (SELECT ts, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS s FROM t)
SELECT window_start, MAX(s) AS hi FROM TABLE(TUMBLE(TABLE sums, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
