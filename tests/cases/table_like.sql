-- why     LIKE takes columns, watermark and options over; the new columns come behind
-- input   t: k STRING, ts TIMESTAMP(3)
-- input   u: k STRING, ts TIMESTAMP(3), v INT
--         a,00:00:01,1
--         a,00:01:00,2
--         a,00:00:02,4
-- expect  window_start,s
--         00:00:00,1
--         00:01:00,2
-- late    a,00:00:02,4
CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
CREATE TABLE u (v INT) LIKE t;
CREATE TABLE IF NOT EXISTS u (nothing INT) WITH ('connector' = 'memory');
SELECT window_start, SUM(v) AS s
FROM TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end
