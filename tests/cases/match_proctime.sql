-- why     by processing time rows are searched as they come, and a match is given at once
-- input   t: k STRING, v INT
-- input   t at 12:00:00
--         a,1
--         b,1
-- input   t at 12:00:10
--         a,2
--         b,3
--         a,1
-- input   t at 12:01:30
--         a,2
--         b,2
-- expect  k,a,b
--         a,1,2
-- targets flink gap: processing time cannot be set there
SELECT * FROM (SELECT *, PROCTIME() AS pt FROM t) MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY pt
  MEASURES A.v AS a, B.v AS b
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B) WITHIN INTERVAL '1' MINUTE
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
