
SET 'engine.chunk-rows-max' = '64';
SET 'engine.split-quantum-rows' = '64';
SET 'engine.epoch-bytes-max' = '1';
SET 'execution.checkpointing.interval' = '50ms';

CREATE TABLE a (
  id BIGINT, k STRING, v INT, d DECIMAL(12, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'in/a.json', 'format' = 'json');

CREATE TABLE result (k STRING, n BIGINT, total DECIMAL(38, 2), distinct_v BIGINT,
  PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'sqlite', 'path' = 'out.sqlite', 'table' = 'result');
INSERT INTO result SELECT k, COUNT(*), SUM(d), COUNT(DISTINCT v) FROM a
WHERE k IS NOT NULL GROUP BY k;
