-- why     rows of one time are ordered by the further columns, NULL lowest
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,3,00:00:01
--         a,1,00:00:01
--         a,NULL,00:00:01
--         a,2,00:00:01
-- expect  k,a,b,c,d
--         a,3,2,1,NULL
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts, v DESC
  MEASURES A.v AS a, B.v AS b, C.v AS c, D.v AS d
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B C D)
  DEFINE A AS TRUE
) AS m
