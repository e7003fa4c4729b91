-- why     rows that are given once keep their event time: windows can follow
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:10
--         a,2,00:00:20
--         b,3,00:00:50
--         c,4,00:01:10
--         b,5,00:01:20
-- expect  window_start,n,total
--         00:00:00,2,4
--         00:01:00,1,4
WITH firsts AS (
  SELECT k, v, ts FROM (
    SELECT k, v, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM t
  ) WHERE rn = 1
)
SELECT window_start, COUNT(*) AS n, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE firsts, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
