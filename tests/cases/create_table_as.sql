-- why     CREATE TABLE … AS makes the table from the query's columns and fills it
-- input   bids: k STRING, v INT
--         a,1
--         b,5
-- expect  big: k,doubled
--         b,10
CREATE TABLE big WITH ('connector' = 'memory') AS SELECT k, v * 2 AS doubled FROM bids WHERE v > 3
