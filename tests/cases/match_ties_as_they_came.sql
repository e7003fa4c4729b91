-- why     rows of one time keep the order they came in
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 1s
--         a,3,00:00:01
--         a,1,00:00:01
--         a,2,00:00:01
--         b,0,00:00:09
-- expect  k,a,b,c
--         a,3,1,2
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b, C.v AS c
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B C)
  DEFINE A AS A.v = 3
) AS m
