-- why     WITHIN: the last row is less than the interval behind the first
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,2,01:00:00
--         a,1,02:00:00
--         a,2,02:59:59.999
-- expect  k,a,b,rt
--         a,02:00:00,02:59:59.999,02:59:59.999
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.ts AS a, B.ts AS b, MATCH_ROWTIME(ts) AS rt
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B) WITHIN INTERVAL '1' HOUR
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
