-- why     a group not written for the time to live is forgotten; its next row begins it anew
-- set     table.exec.state.ttl = 1 min
-- input   t: k STRING, v INT
-- input   t at 12:00:00
--         a,1
--         b,10
-- input   t at 12:00:40
--         b,20
-- input   t at 12:01:00
--         a,2
--         b,40
-- expect  r: k,total
--         a,2
--         b,70
-- targets flink gap: processing time cannot be set there
CREATE TABLE r (k STRING, total INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT k, SUM(v) FROM t GROUP BY k
