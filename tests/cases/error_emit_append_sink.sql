-- why     early results change: a sink that only takes new rows cannot hold them
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   takes only new rows
CREATE TABLE out_ (ws TIMESTAMP(3), total INT) WITH ('connector' = 'filesystem', 'path' = '/tmp/x', 'format' = 'json');
INSERT INTO out_ SELECT window_start, SUM(v)
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
