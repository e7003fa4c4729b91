-- why     {,m} is {0,m}
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:02
--         a,2,00:00:03
--         a,3,00:00:04
--         a,1,00:00:05
--         a,3,00:00:06
--         a,1,00:00:07
--         a,2,00:00:08
--         a,2,00:00:09
--         a,2,00:00:10
--         a,3,00:00:11
-- expect  k,n
--         a,2
--         a,0
-- targets flink gap: documented there, but its planner takes the missing number for -1 and fails
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES COUNT(B.v) AS n
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B{,2} C)
  DEFINE A AS A.v = 1, B AS B.v = 2, C AS C.v = 3
) AS m
