-- why     what ends a greedy last variable is never known
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   The last variable 'B+' is greedy: what ends it is never known
--         Write B+? to take as few rows as possible, or end the pattern with a variable whose condition is NOT that of B.
-- at      4:14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B+)
  DEFINE B AS B.v = 1
) AS m
