-- why     SKIP TO A is SKIP TO LAST A
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,7,00:00:01
--         a,9,00:00:02
--         a,10,00:00:03
--         a,5,00:00:04
--         a,10,00:00:05
--         a,7,00:00:06
--         a,14,00:00:07
-- expect  k,total,since,until
--         a,26,00:00:01,00:00:04
--         a,25,00:00:03,00:00:06
--         a,17,00:00:05,00:00:07
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES SUM(A.v) AS total, FIRST(ts) AS since, LAST(ts) AS until
  AFTER MATCH SKIP TO A
  PATTERN (A+ C)
  DEFINE A AS SUM(A.v) < 30
) AS m
