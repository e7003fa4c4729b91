-- why     a table that is something else now is another table
-- input   bids: k STRING, v INT
-- error   connector cannot be changed
CREATE TABLE t (v INT) WITH ('connector' = 'memory');
ALTER TABLE t SET ('connector' = 'print')
