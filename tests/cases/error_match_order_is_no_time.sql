-- why     rows are ordered by a time first
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Rows are ordered by 'v' first, which is no event time and no processing time
--         The event time here is 'ts'.
-- at      2:27
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY v, ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
