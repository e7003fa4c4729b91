-- why     many groups would fight for one row of the sink, and nobody said which one wins
-- input   bids: k STRING, v INT
-- error   keeps one row per (k)
--         (k, v)
CREATE TABLE counts (k STRING, v INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO counts SELECT k, v, COUNT(*) FROM bids GROUP BY k, v
