-- why     a query that gives too few columns names both lists
-- input   bids: k STRING
-- error   'out_table' takes 2
CREATE TABLE out_table (a STRING, b INT) WITH ('connector' = 'memory');
INSERT INTO out_table SELECT k FROM bids
