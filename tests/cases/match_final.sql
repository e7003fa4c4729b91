-- why     FINAL is what every measure is
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,3,00:00:03
-- expect  k,a,total,b
--         a,2,6,3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES FINAL LAST(A.v) AS a, FINAL SUM(v) AS total, B.v AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A+ B)
  DEFINE A AS A.v < 3, B AS B.v = 3
) AS m
