-- why     INSERT INTO fits by position and widens numbers by itself
-- input   bids: k STRING, v INT
--         a,1
-- expect  out_table: name,amount
--         a,1
CREATE TABLE out_table (name STRING, amount BIGINT) WITH ('connector' = 'memory');
INSERT INTO out_table SELECT k, v FROM bids
