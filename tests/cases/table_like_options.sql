-- why     LIKE takes over the parts that are not excluded
-- input   t: k STRING, ts TIMESTAMP(3)
-- input   u: k STRING, ts TIMESTAMP(3), v INT
--         a,00:00:01,1
--         a,00:00:00,4
-- expect  k,ts,v,twice
--         a,00:00:01,1,2
--         a,00:00:00,4,8
CREATE TABLE t (k STRING, ts TIMESTAMP(3), gone AS k || 'x', WATERMARK FOR ts AS ts)
WITH ('connector' = 'print');
CREATE TABLE u (v INT, twice AS v * 2) WITH ('connector' = 'memory')
LIKE t (EXCLUDING ALL EXCLUDING OPTIONS EXCLUDING WATERMARKS EXCLUDING GENERATED);
SELECT * FROM u
