-- why     rows in order keep their time, so that windows above still work
-- input   bids: k STRING, ts TIMESTAMP(3); watermark ts - 5s; endless
--         a,00:00:03
--         b,00:00:01
--         c,00:01:20
-- expect  window_start,first_one,n
--         00:00:00,b,2
--         00:01:00,c,1
-- targets flink gap: it drops the ORDER BY of a view
CREATE VIEW in_order AS SELECT * FROM bids ORDER BY ts;
SELECT window_start, FIRST_VALUE(k) AS first_one, COUNT(*) AS n
FROM TUMBLE(TABLE in_order, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end
