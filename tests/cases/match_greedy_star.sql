-- why     B* takes every row it can before C is asked
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,10,00:00:01
--         a,11,00:00:02
--         a,12,00:00:03
--         a,13,00:00:04
--         a,14,00:00:05
--         a,16,00:00:06
-- expect  k,a,n,c
--         a,11,3,16
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, COUNT(B.v) AS n, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B* C)
  DEFINE A AS A.v > 10, B AS B.v < 15, C AS C.v > 12
) AS m
