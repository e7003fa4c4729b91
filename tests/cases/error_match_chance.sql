-- why     a condition must hold or not, however often it is asked
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   RAND() in MATCH_RECOGNIZE: it is another value each time it is computed
--         Compute it in a sub-query below MATCH_RECOGNIZE.
-- at      5:21
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v > RAND()
) AS m
