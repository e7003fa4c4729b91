-- why     a text is not silently turned into a number on its way into a table
-- input   bids: k STRING
-- error   is INT
--         CAST(
CREATE TABLE out_table (a INT) WITH ('connector' = 'memory');
INSERT INTO out_table SELECT k FROM bids
