-- why     the search would find the same match for ever
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   SKIP TO FIRST A would find the same match again: it begins with a row of A
--         Write SKIP TO NEXT ROW, or name a variable further on.
-- at      4:3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  AFTER MATCH SKIP TO FIRST A
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
