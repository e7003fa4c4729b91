-- why     a match has at least one row
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   A pattern that no row at all fits
--         At least one variable must take a row: A+ instead of A*.
-- at      4:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A* B?)
  DEFINE A AS A.v = 1
) AS m
