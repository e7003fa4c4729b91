-- why     a view whose key is said holds the newest row of each; beyond its limit the oldest go
-- input   bids: k STRING, v INT
--         a,1
--         b,2
--         a,5
--         c,1
--         b,NULL
--         d,4
-- expect  newest: bidder,v
--         c,1
--         b,NULL
--         d,4
-- targets flink gap: it has materialized tables, which are refreshed by jobs of their own
CREATE MATERIALIZED VIEW newest (bidder, v) WITH ('key' = 'bidder', 'rows-max' = '3')
AS SELECT k, v FROM bids
