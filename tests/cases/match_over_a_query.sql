-- why     the input may be a sub-query, and the matches may be joined and filtered
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,3,00:00:03
--         a,1,00:00:04
--         a,2,00:00:05
--         a,5,00:00:06
-- expect  k,ab
--         a,30
--         a,30
SELECT m.k, m.a + m.b AS ab FROM (SELECT k, v * 10 AS w, ts FROM t WHERE v <> 3) MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.w AS a, B.w AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.w = 10, B AS B.w > 10
) AS m WHERE m.a < 100
