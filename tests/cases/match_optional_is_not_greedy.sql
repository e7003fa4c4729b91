-- why     where a row suits B? and C, both ways are tried and the shorter match comes first
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,3,00:00:03
--         a,1,00:00:04
--         a,2,00:00:05
--         a,2,00:00:06
-- expect  k,a,b,c,f,l
--         a,1,NULL,2,1,2
--         a,1,NULL,2,1,2
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, C.v AS c, FIRST(v) AS f, LAST(v) AS l
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B? C)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v >= 2
) AS m
