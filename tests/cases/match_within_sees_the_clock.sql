-- why     a beginning that WITHIN made too old lets later ones go on
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,2,00:00:10
--         a,3,00:01:30
--         a,1,00:01:31
--         a,3,00:01:40
-- expect  k,a,n,c
--         a,00:01:31,0,00:01:40
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.ts AS a, COUNT(B.v) AS n, C.ts AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B* C) WITHIN INTERVAL '1' MINUTE
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v = 3
) AS m
