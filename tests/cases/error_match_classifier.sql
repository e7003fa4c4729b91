-- why     CLASSIFIER belongs to ALL ROWS PER MATCH
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   CLASSIFIER in MATCH_RECOGNIZE
--         Ask which variable took rows: COUNT(A.price) > 0.
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES CLASSIFIER() AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
