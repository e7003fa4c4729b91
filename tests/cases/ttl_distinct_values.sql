-- why     values remembered for DISTINCT go with their group
-- set     table.exec.state.ttl = 1 min
-- input   t: k STRING, s STRING
-- input   t at 12:00:00
--         a,x
--         a,x
--         a,y
-- input   t at 12:05:00
--         a,x
-- expect  r: k,kinds,texts
--         a,1,x
-- targets flink gap: processing time cannot be set there
CREATE TABLE r (k STRING, kinds BIGINT, texts STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO r SELECT k, COUNT(DISTINCT s), LISTAGG(s) FROM t GROUP BY k
