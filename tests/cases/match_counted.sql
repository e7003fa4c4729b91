-- why     {n}, {n,} and {n,m}
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,2,00:00:03
--         a,3,00:00:04
--         a,3,00:00:05
--         a,3,00:00:06
--         a,4,00:00:07
--         a,5,00:00:08
--         a,1,00:00:09
--         a,2,00:00:10
--         a,3,00:00:11
--         a,3,00:00:12
--         a,4,00:00:13
--         a,4,00:00:14
--         a,5,00:00:15
--         a,1,00:00:16
--         a,2,00:00:17
--         a,2,00:00:18
--         a,3,00:00:19
--         a,3,00:00:20
--         a,5,00:00:21
-- expect  k,a,b,c,d
--         a,1,2,3,1
--         a,1,2,2,0
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES COUNT(A.v) AS a, COUNT(B.v) AS b, COUNT(C.v) AS c, COUNT(D.v) AS d
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B{2} C{2,} D{0,2} E)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v = 3, D AS D.v = 4, E AS E.v = 5
) AS m
