-- why     a column that the rows have not
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Unknown column 'w'
--         Available: k, ts, v.
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.w AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
