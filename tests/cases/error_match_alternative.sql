-- why     there are no alternatives
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   An alternative in a pattern
--         Write one variable whose condition is the OR of both, or two queries with UNION ALL.
-- at      4:14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A | B)
  DEFINE A AS A.v = 1
) AS m
