-- why     the running sum of a condition begins anew with each match
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,4,00:00:01
--         a,4,00:00:02
--         a,4,00:00:03
--         a,4,00:00:04
--         a,4,00:00:05
--         a,4,00:00:06
--         a,4,00:00:07
--         a,4,00:00:08
--         a,4,00:00:09
-- expect  k,n,total,b_ts
--         a,2,8,00:00:03
--         a,2,8,00:00:06
--         a,2,8,00:00:09
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES COUNT(A.v) AS n, SUM(A.v) AS total, B.ts AS b_ts
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A+ B)
  DEFINE A AS SUM(A.v) <= 10
) AS m
