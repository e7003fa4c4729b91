-- why     a misspelt option of a view is told where it stands, before anything runs
-- input   bids: k STRING
-- error   row-max
--         Did you mean 'rows-max'
-- at      1:34
CREATE MATERIALIZED VIEW v WITH ('row-max' = '3') AS SELECT k FROM bids
