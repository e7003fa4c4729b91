-- why     an aggregate is over the rows of one variable
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   SUM is computed over the rows of one variable, here are A, B
--         Combine values of several variables outside of it.
-- at      3:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES SUM(A.v * B.v) AS a
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
