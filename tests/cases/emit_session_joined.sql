-- why     two sessions that were given already become one: one of them goes, the other changes
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 10m
--         a,1,00:00:00
--         a,2,00:02:00
--         a,4,00:01:00
-- expect  r: k,ws,total
--         a,00:00:00,7
-- targets flink gap: sessions have no early and late results there
CREATE TABLE r (k STRING, ws TIMESTAMP(3), total INT, PRIMARY KEY (k, ws) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT k, window_start, SUM(v)
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY k, window_start, window_end
