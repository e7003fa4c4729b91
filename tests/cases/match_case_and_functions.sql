-- why     any scalar function may stand in conditions and measures
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,-4,00:00:02
--         a,9,00:00:03
--         a,2,00:00:04
--         a,-8,00:00:05
-- expect  k,size,c,no_a,took
--         a,small,-1,false,1
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES CASE WHEN ABS(B.v) > 5 THEN 'large' ELSE 'small' END AS size, COALESCE(C.v, -1) AS c, A.v IS NULL AS no_a, TIMESTAMPDIFF(SECOND, A.ts, B.ts) AS took
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A C? B)
  DEFINE A AS MOD(A.v, 2) = 1, B AS SIGN(B.v) = -1 AND ABS(B.v) > A.v, C AS C.v = 2
) AS m
