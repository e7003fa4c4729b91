-- why     matches by processing time have no event time
-- input   t: k STRING, v INT
-- error   MATCH_ROWTIME is an event time, but rows are ordered by 'pt'
--         Write MATCH_PROCTIME()
-- at      3:12
SELECT * FROM (SELECT *, PROCTIME() AS pt FROM t) MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY pt
  MEASURES MATCH_ROWTIME() AS rt
  PATTERN (A B)
  DEFINE A AS A.v = 1
) AS m
