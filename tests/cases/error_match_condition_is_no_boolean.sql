-- why     a condition is a BOOLEAN
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   The condition of A is INT, not BOOLEAN
--         Compare the value with something, for instance … > 0.
-- at      5:15
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v + 1
) AS m
