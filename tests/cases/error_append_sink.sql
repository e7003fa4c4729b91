-- why     a sink that can only append is told which step changes rows and what to write instead
-- input   bids: k STRING
-- error   takes only new rows
--         Aggregate by [k]
--         Group by a window
CREATE TABLE log (k STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '/tmp/never', 'format' = 'json');
INSERT INTO log SELECT k, COUNT(*) FROM bids GROUP BY k
