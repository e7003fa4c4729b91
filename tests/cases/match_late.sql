-- why     a row that the watermark has passed is dropped, and the rows around it follow each other
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         b,0,00:00:05
--         a,9,00:00:03
--         a,2,00:00:06
-- expect  k,a,b
--         a,00:00:01,00:00:06
-- late    a,9,00:00:03
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.ts AS a, B.ts AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
