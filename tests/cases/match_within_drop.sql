-- why     a fall of ten within an hour; longer ones do not count
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,20,00:00:00
--         a,17,00:20:00
--         a,18,00:40:00
--         a,11,01:00:00
--         a,14,01:20:00
--         a,9,01:40:00
--         a,15,02:00:00
--         a,14,02:20:00
--         a,24,02:40:00
--         a,1,02:59:59
--         a,19,03:20:00
-- expect  k,dropped,difference
--         a,02:59:59,14
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES C.ts AS dropped, A.v - C.v AS difference
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B* C) WITHIN INTERVAL '1' HOUR
  DEFINE B AS B.v > A.v - 10, C AS C.v < A.v - 10
) AS m
