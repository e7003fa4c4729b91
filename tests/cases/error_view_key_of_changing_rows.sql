-- why     results that change by another key would fight for one row of the view
-- input   bids: k STRING, u STRING, v INT
-- error   several of them would fight for one row
-- targets flink gap: it has materialized tables, which are refreshed by jobs of their own
CREATE MATERIALIZED VIEW w WITH ('key' = 'k') AS SELECT k, u, SUM(v) AS v FROM bids GROUP BY k, u
