-- why     RANK per window keeps all rows of a rank
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:05
--         b,5,00:00:10
--         c,1,00:00:20
--         d,5,00:00:30
--         e,1,00:01:05
-- expect  window_start,k,v,rn
--         00:00:00,a,5,1
--         00:00:00,b,5,1
--         00:00:00,d,5,1
--         00:01:00,e,1,1
-- targets flink gap: RANK on streams is not there
SELECT window_start, k, v, rn FROM (
  SELECT window_start, window_end, k, v, RANK() OVER (
    PARTITION BY window_start, window_end ORDER BY v DESC) AS rn
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE rn <= 2
