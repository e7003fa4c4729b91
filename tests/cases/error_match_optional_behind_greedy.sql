-- why     whether a row belongs to B+ or is left for C* could not be told; Flink refuses it too
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   which may take no row, behind the greedy 'B+'
--         Write B+? to take as few rows as possible
-- at      4:17
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B+ C* D)
  DEFINE B AS B.v = 1
) AS m
