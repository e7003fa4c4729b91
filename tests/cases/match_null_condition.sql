-- why     a condition that is NULL does not hold; NULLs are left out of aggregates
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,NULL,00:00:02
--         a,3,00:00:03
--         a,NULL,00:00:04
--         a,5,00:00:05
-- expect  k,a,b,n,n_all,total
--         a,1,NULL,0,3,4
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, COUNT(B.v) AS n, COUNT(*) AS n_all, SUM(v) AS total
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B+? C)
  DEFINE A AS A.v > 0, C AS C.v > A.v
) AS m
