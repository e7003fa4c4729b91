-- why     a row whose own condition cannot be computed is rejected, and the rows around it follow
--         each other
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,0,00:00:02
--         a,2,00:00:03
-- expect  k,a,b
--         a,1,2
-- rejected division by zero
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, B.v AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE B AS 10 / B.v > 2
) AS m
