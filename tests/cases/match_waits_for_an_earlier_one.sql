-- why     a match that begins later waits while an earlier row may still begin one; its time is when
--         it was known
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,5,00:00:01
--         a,3,00:00:02
--         a,4,00:00:03
--         a,4,00:00:04
--         a,9,00:00:10
-- expect  k,a,n,b,c,rt
--         a,5,5,4,9,00:00:10
--         a,3,4,4,9,00:00:10
--         a,4,3,4,9,00:00:10
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, COUNT(*) AS n, B.v AS b, C.v AS c, MATCH_ROWTIME() AS rt
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (A B+ C)
  DEFINE B AS B.v < A.v + 2, C AS C.v > A.v
) AS m
