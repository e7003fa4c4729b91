-- why     a total without groups is a view of one row, there from the start
-- input   bids: k STRING, v INT
--         a,1
--         b,2
-- expect  total: n,v
--         2,3
-- expect  none: n
--         0
-- targets flink gap: it has materialized tables, which are refreshed by jobs of their own
CREATE MATERIALIZED VIEW total AS SELECT COUNT(*) AS n, SUM(v) AS v FROM bids;
CREATE MATERIALIZED VIEW none AS SELECT COUNT(*) AS n FROM bids WHERE v > 5
