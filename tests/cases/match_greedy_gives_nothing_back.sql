-- why     a row that a greedy variable accepts is never tried for the next one: no match
--         where the standard would find one
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,11,00:00:01
--         a,12,00:00:02
--         a,13,00:00:03
--         a,20,00:00:04
--         a,9,00:00:05
-- expect  k,a,b,c
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, LAST(B.v) AS b, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B* C)
  DEFINE A AS A.v > 10, B AS B.v < 15, C AS C.v > 12 AND C.v < 16
) AS m
