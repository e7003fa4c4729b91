-- why     a star gives the columns in order, computed ones too; an alias renames the table
-- input   t: a INT
--         1
-- expect  a,b,a2
--         1,2,1
CREATE TABLE t (a INT, b AS a + 1) WITH ('connector' = 'memory');
SELECT x.*, x.a AS a2 FROM t AS x
