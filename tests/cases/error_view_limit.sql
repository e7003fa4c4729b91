-- why     a view of no rows is a mistake
-- input   bids: k STRING
-- error   'rows-max' cannot be 0
-- at      2:1
CREATE MATERIALIZED VIEW v WITH (
'rows-max' = '0') AS SELECT k FROM bids
