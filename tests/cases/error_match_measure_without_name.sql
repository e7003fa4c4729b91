-- why     a measure needs a name
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   A measure needs a name
--         Write LAST(A.price) AS price.
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES LAST(A.v)
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
