-- why     each partition is searched alone, whatever comes in between
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         b,1,00:00:02
--         a,2,00:00:03
--         NULL,1,00:00:04
--         b,3,00:00:05
--         NULL,2,00:00:06
--         b,1,00:00:07
--         b,2,00:00:08
-- expect  k,a,b_ts
--         a,1,00:00:03
--         NULL,1,00:00:06
--         b,1,00:00:08
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.ts AS b_ts
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
