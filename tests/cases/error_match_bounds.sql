-- why     at least two and at most one row
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   'B{2,1}' takes at least 2 and at most 1 rows
--         Write {n,m} with n <= m and m > 0.
-- at      4:14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B{2,1} C)
  DEFINE A AS A.v = 1
) AS m
