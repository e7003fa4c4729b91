-- why     a variable stands once in a pattern
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   The variable 'A' stands twice in the pattern
--         Give the second one another name and the same condition.
-- at      4:16
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B A)
  DEFINE A AS A.v = 1
) AS m
