-- why     Flink's own names of the one catalog and database may stand everywhere
-- input   bids: k STRING, v INT
--         a,1
-- expect  k
--         a
USE CATALOG default_catalog;
USE default_database;
SELECT k FROM default_catalog.default_database.bids
