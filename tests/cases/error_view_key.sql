-- why     a key that the query does not give is told with the columns there are
-- input   bids: k STRING, v INT
-- error   Unknown key column 'kk'
--         Did you mean 'k'
CREATE MATERIALIZED VIEW w WITH ('key' = 'kk') AS SELECT k, v FROM bids
