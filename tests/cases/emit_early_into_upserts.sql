-- why     a keyed sink takes early results as newer rows of their key; old ones are not sent
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:05
--         a,2,00:00:35
--         a,8,00:01:10
-- expect  r: k,ws,total
--         a,00:00:00,3
--         a,00:01:00,8
-- targets flink gap: early and late results are experimental there and not for window functions
CREATE TABLE r (k STRING, ws TIMESTAMP(3), total INT, PRIMARY KEY (k, ws) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT k, window_start, SUM(v)
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
