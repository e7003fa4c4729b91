-- why     VALUES is a bounded table without a source
-- expect  out_table: a,b
--         1,x
--         2,NULL
-- targets flink gap: it takes no bare NULL in VALUES
CREATE TABLE out_table (a INT, b STRING) WITH ('connector' = 'memory');
INSERT INTO out_table VALUES (1, 'x'), (2, NULL)
