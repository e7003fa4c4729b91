-- why     SUM(v) counts all rows of the match, SUM(B.v) those of B
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,10,00:00:01
--         a,15,00:00:02
--         a,20,00:00:03
--         a,31,00:00:04
--         a,35,00:00:05
--         a,5,00:00:06
-- expect  k,a,b,total,least,most,n
--         a,10,66,111,10,31,5
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, SUM(B.v) AS b, SUM(v) AS total, MIN(v) AS least, MAX(B.v) AS most, COUNT(*) AS n
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B+ C)
  DEFINE A AS A.v >= 10, B AS B.v > A.v AND SUM(v) < 100 AND SUM(B.v) < 80
) AS m
