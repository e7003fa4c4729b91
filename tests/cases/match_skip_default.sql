-- why     without AFTER MATCH the next row may begin a match
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,1,00:00:02
--         a,2,00:00:03
--         a,2,00:00:04
-- expect  k,a,b
--         a,00:00:01,00:00:02
--         a,00:00:02,00:00:03
--         a,00:00:03,00:00:04
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.ts AS a, B.ts AS b
  PATTERN (A B)
  DEFINE A AS A.v > 0, B AS B.v > 0
) AS m
