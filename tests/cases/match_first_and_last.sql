-- why     FIRST and LAST with an offset count within the rows of a variable
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,5,00:00:02
--         a,6,00:00:03
--         a,7,00:00:04
--         a,9,00:00:05
-- expect  k,f0,f1,f5,l0,l2,f_next,before
--         a,5,6,NULL,7,5,5,7
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES FIRST(B.v) AS f0, FIRST(B.v, 1) AS f1, FIRST(B.v, 5) AS f5, LAST(B.v) AS l0, LAST(B.v, 2) AS l2, FIRST(v, 1) AS f_next, LAST(v, 1) AS before
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B+ C)
  DEFINE A AS A.v = 1, B AS B.v < 9, C AS C.v = 9
) AS m
