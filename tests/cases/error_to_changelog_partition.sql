-- why     Flink 2.3 takes the rows of these functions one by one and refuses PARTITION BY; so do we
-- input   t: k STRING
-- error   PARTITION BY in TO_CHANGELOG
--         Leave it out
-- at      1:45
SELECT * FROM TO_CHANGELOG(input => TABLE t PARTITION BY k)
