-- why     the search goes on at a variable of the pattern
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Unknown pattern variable 'D'
--         Available: A, B.
-- at      4:3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  AFTER MATCH SKIP TO LAST D
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
