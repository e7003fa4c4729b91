-- why     a column that a computed column or the watermark reads cannot go
-- input   bids: k STRING, v INT
-- error   is read by the watermark
--         Drop that first
-- at      2:1
CREATE TABLE t (ts TIMESTAMP(3), v INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
ALTER TABLE t DROP ts
