-- why     a materialized view holds one row per group, and a later statement reads it as a stream
-- input   bids: k STRING, v INT
--         a,1
--         b,2
--         a,5
--         c,1
-- expect  totals: k,total,n
--         a,6,2
--         b,2,1
--         c,1,1
-- expect  large: k
--         a
-- targets flink gap: it has materialized tables, which are refreshed by jobs of their own
CREATE MATERIALIZED VIEW totals AS SELECT k, SUM(v) AS total, COUNT(*) AS n FROM bids GROUP BY k;
CREATE TABLE large (k STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');
INSERT INTO large SELECT k FROM totals WHERE total > 5
