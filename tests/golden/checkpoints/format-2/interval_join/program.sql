
SET 'engine.chunk-rows-max' = '64';
SET 'engine.split-quantum-rows' = '64';
SET 'engine.epoch-bytes-max' = '1';
SET 'execution.checkpointing.interval' = '50ms';

CREATE TABLE a (
  id BIGINT, k STRING, v INT, d DECIMAL(12, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/a.json', 'format' = 'json');

CREATE TABLE b (
  id BIGINT, k STRING, v INT, d DECIMAL(12, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/b.json', 'format' = 'json');

CREATE TABLE result (a_id BIGINT, b_id BIGINT, k STRING, v INT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO result
SELECT a.id, b.id, a.k, b.v FROM a JOIN b
ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '1' SECOND AND a.ts + INTERVAL '1' SECOND;
