-- why     an aggregate in a condition counts the row in question
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,12,00:00:01
--         a,17,00:00:02
--         a,13,00:00:03
--         a,16,00:00:04
--         a,25,00:00:05
--         a,2,00:00:06
--         a,4,00:00:07
--         a,10,00:00:08
--         a,15,00:00:09
--         a,25,00:00:10
--         a,25,00:00:11
--         a,30,00:00:12
-- expect  k,since,until,mean,n
--         a,00:00:01,00:00:04,14,4
--         a,00:00:06,00:00:11,13,6
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES FIRST(A.ts) AS since, LAST(A.ts) AS until, AVG(A.v) AS mean, COUNT(A.v) AS n
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A+ B)
  DEFINE A AS AVG(A.v) < 15
) AS m
