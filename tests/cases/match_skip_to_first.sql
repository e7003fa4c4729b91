-- why     the search goes on at the first row of B, which the next match may begin with
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,2,00:00:03
--         a,3,00:00:04
--         a,2,00:00:05
--         a,3,00:00:06
--         a,3,00:00:07
-- expect  k,a,n,c
--         a,1,2,00:00:04
--         a,2,1,00:00:04
--         a,3,1,00:00:06
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, COUNT(B.v) AS n, C.ts AS c
  AFTER MATCH SKIP TO FIRST B
  PATTERN (A B+ C)
  DEFINE B AS B.v = 2, C AS C.v = 3
) AS m
