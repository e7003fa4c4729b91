-- why     physical offsets look at rows outside of the match
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   PREV in MATCH_RECOGNIZE
--         Look back within the match: LAST(A.price, 1) is the row of A before its last.
-- at      5:21
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a
  PATTERN (A B)
  DEFINE B AS B.v > PREV(B.v)
) AS m
