-- why     B{1,2} keeps a third row from C though it wants no more
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,2,00:00:03
--         a,2,00:00:04
--         a,1,00:00:05
--         a,2,00:00:06
--         a,2,00:00:07
--         a,3,00:00:08
-- expect  k,a,n,c
--         a,1,2,3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, COUNT(B.v) AS n, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B{1,2} C)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v >= 2
) AS m
