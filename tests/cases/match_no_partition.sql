-- why     without PARTITION BY all rows are one sequence
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         b,2,00:00:02
--         a,1,00:00:03
--         a,1,00:00:04
--         c,2,00:00:05
-- expect  ak,bk
--         a,b
--         a,c
SELECT * FROM t MATCH_RECOGNIZE (
  ORDER BY ts
  MEASURES A.k AS ak, B.k AS bk
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
