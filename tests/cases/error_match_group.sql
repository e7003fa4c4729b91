-- why     quantifiers belong to single variables
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   A group in a pattern
--         Quantifiers belong to single variables: A B+ C.
-- at      4:14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A (B C)+ D)
  DEFINE A AS A.v = 1
) AS m
