-- why     DEFINE may not be left out
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Expected DEFINE with a condition: PATTERN (A B+ C) DEFINE B AS B.price < A.price, found ')'
-- at      5:1
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
) AS m
