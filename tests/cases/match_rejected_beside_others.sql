-- why     a condition over several rows that cannot be computed ends that beginning of a match,
--         and the row is reported
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:01
--         a,5,00:00:02
--         a,8,00:00:03
-- expect  k,a,b
--         a,5,8
-- rejected division by zero
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE B AS 9 / (B.v - A.v) > 2
) AS m
