-- why     B? may be left out; then what is measured of it is NULL, and counted 0
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,3,00:00:03
--         a,1,00:00:04
--         a,3,00:00:05
--         a,1,00:00:06
--         a,2,00:00:07
--         a,2,00:00:08
--         a,3,00:00:09
-- expect  k,a,b,n,c
--         a,1,2,1,3
--         a,1,NULL,0,3
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, COUNT(B.v) AS n, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B? C)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v = 3
) AS m
