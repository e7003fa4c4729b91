-- why     another catalog does not exist, and the words say so
-- input   bids: k STRING, v INT
-- error   There is one catalog and one database
-- at      1:1
USE CATALOG hive
