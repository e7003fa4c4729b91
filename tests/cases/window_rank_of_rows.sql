-- why     rows of a window are ranked as well as results; a row of a closed window is late
-- input   bids: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:05
--         a,7,00:00:10
--         b,1,00:00:20
--         a,6,00:00:30
--         a,1,00:01:05
--         a,9,00:00:40
-- expect  window_start,k,v,rn
--         00:00:00,a,7,1
--         00:00:00,a,6,2
--         00:00:00,b,1,1
--         00:01:00,a,1,1
-- late    a,9,00:00:40,00:00:00,00:01:00,00:00:59.999
SELECT window_start, k, v, rn FROM (
  SELECT window_start, window_end, k, v, ROW_NUMBER() OVER (
    PARTITION BY window_start, window_end, k ORDER BY v DESC) AS rn
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
) WHERE rn <= 2
