-- why     on endless input a window without a watermark would never close
-- input   bids: k STRING, ts TIMESTAMP(3); endless
-- error   there is no event time here
--         WATERMARK FOR ts AS
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
