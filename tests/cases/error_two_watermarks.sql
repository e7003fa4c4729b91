-- why     a table has one time
-- error   one watermark
-- at      2:27
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts,
                          WATERMARK FOR ts AS ts) WITH ('connector' = 'memory')
