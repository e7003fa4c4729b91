-- why     columns that are not named in INSERT INTO are NULL
-- input   bids: k STRING, v INT
--         a,1
-- expect  out_table: a,b,c
--         NULL,a,NULL
CREATE TABLE out_table (a INT, b STRING, c INT) WITH ('connector' = 'memory');
INSERT INTO out_table (b) SELECT k FROM bids
