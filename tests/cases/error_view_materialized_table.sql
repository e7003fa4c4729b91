-- why     Flink's materialized tables are another thing: the error says what ours is called
-- input   bids: k STRING
-- error   CREATE MATERIALIZED TABLE
--         CREATE MATERIALIZED VIEW
CREATE MATERIALIZED TABLE v AS SELECT k FROM bids
