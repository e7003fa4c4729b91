-- why     VALUES is a bounded table without a source
-- expect  out_table: a,b
--         1,x
--         2,NULL
CREATE TABLE out_table (a INT, b STRING) WITH ('connector' = 'memory');
INSERT INTO out_table VALUES (1, 'x'), (2, NULL)
