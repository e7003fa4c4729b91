-- why     three variables, one row each: rows that do not follow each other are no match
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,3,00:00:03
--         a,1,00:00:04
--         a,9,00:00:05
--         a,2,00:00:06
--         a,3,00:00:07
--         a,1,00:00:08
--         a,2,00:00:09
--         a,3,00:00:10
-- expect  k,a,b,c,since
--         a,1,2,3,00:00:01
--         a,1,2,3,00:00:08
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, C.v AS c, A.ts AS since
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B C)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v = 3
) AS m
