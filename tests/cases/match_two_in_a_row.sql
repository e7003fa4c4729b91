-- why     matches of matches: the output of one pattern is searched by another
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,1,00:00:03
--         a,2,00:00:04
--         a,5,00:00:05
--         a,1,00:00:06
--         a,2,00:00:07
--         a,1,00:00:08
--         a,2,00:00:09
-- expect  k,first_pair,second_pair
--         a,00:00:02,00:00:04
--         a,00:00:07,00:00:09
CREATE VIEW pairs AS SELECT k, a, rt FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, MATCH_ROWTIME() AS rt
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS x;
SELECT * FROM pairs MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY rt
  MEASURES X.rt AS first_pair, Y.rt AS second_pair
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (X Y)
  DEFINE Y AS Y.a = 1
) AS m2
