-- why     LAST(v, 1) is the row before within the match, whatever variable took it
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,10,00:00:01
--         a,15,00:00:02
--         a,20,00:00:03
--         a,3,00:00:04
--         a,7,00:00:05
--         a,8,00:00:06
-- expect  k,a,b,c
--         a,10,NULL,15
--         a,20,3,7
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B? C)
  DEFINE B AS B.v < 20, C AS LAST(v, 1) < C.v
) AS m
