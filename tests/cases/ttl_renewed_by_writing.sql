-- why     each row of a group renews its time to live: a busy group is never forgotten
-- set     table.exec.state.ttl = 1 min
-- input   t: k STRING
-- input   t at 12:00:00
--         a
-- input   t at 12:00:59
--         a
-- input   t at 12:01:58
--         a
-- input   t at 12:02:57
--         a
-- expect  r: k,n
--         a,4
-- targets flink gap: processing time cannot be set there
CREATE TABLE r (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT k, COUNT(*) FROM t GROUP BY k
