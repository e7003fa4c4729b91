-- why     a watermark and a key can be added, changed and dropped by ALTER TABLE
-- input   clicks: k STRING, ts TIMESTAMP(3)
--         a,00:00:10
--         b,00:01:30
--         a,00:00:55
-- expect  window_start,n
--         00:00:00,2
--         00:01:00,1
CREATE TABLE clicks (k STRING, ts TIMESTAMP(3)) WITH ('connector' = 'memory');
ALTER TABLE clicks ADD WATERMARK FOR ts AS ts;
ALTER TABLE clicks MODIFY WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE;
ALTER TABLE clicks ADD PRIMARY KEY (k) NOT ENFORCED;
ALTER TABLE clicks DROP PRIMARY KEY;
SELECT window_start, COUNT(*) AS n
FROM TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY window_start, window_end
