
SET 'engine.chunk-rows-max' = '64';
SET 'engine.split-quantum-rows' = '64';
SET 'engine.epoch-bytes-max' = '1';
SET 'execution.checkpointing.interval' = '50ms';

CREATE TABLE a (
  id BIGINT, k STRING, v INT, d DECIMAL(12, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/a.json', 'format' = 'json');

CREATE TABLE result (window_start TIMESTAMP(3), k STRING, n BIGINT, total DECIMAL(38, 2), top INT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO result
SELECT window_start, k, COUNT(*), SUM(d), MAX(v)
FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '20' SECOND)
GROUP BY window_start, window_end, k;
