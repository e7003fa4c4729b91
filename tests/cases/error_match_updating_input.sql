-- why     a row that is in a match cannot be taken back
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s; changes
-- error   MATCH_RECOGNIZE needs rows that never change
--         Do it before that step
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
