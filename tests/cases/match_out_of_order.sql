-- why     rows are ordered by time before they are searched
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 10s
--         a,3,00:00:03
--         a,1,00:00:01
--         a,2,00:00:02
--         a,2,00:00:12
--         a,1,00:00:11
-- expect  k,a,b
--         a,00:00:01,00:00:02
--         a,00:00:11,00:00:12
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.ts AS a, B.ts AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
