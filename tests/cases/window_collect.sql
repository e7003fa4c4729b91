-- why     COLLECT keeps how often each value came
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:05
--         b,00:00:06
--         a,00:00:07
-- expect  ks
--         {"a": 2, "b": 1}
SELECT COLLECT(k) AS ks FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
