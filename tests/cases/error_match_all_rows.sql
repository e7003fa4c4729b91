-- why     one row per match is what there is
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   ALL ROWS PER MATCH
--         Write ONE ROW PER MATCH; ARRAY_AGG(A.price) as a measure keeps all values.
-- at      4:3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  ALL ROWS PER MATCH
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
