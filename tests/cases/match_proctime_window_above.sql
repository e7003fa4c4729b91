-- why     MATCH_PROCTIME is a processing time, by which matches can be counted per window
-- input   t: k STRING, v INT
-- input   t at 12:00:00
--         a,1
-- input   t at 12:00:10
--         a,2
--         a,1
--         a,2
-- input   t at 12:01:30
--         a,1
--         a,2
-- tick    12:05:00
-- expect  window_start,n
--         12:00:00,2
--         12:01:00,1
-- targets flink gap: processing time cannot be set there
CREATE VIEW timed AS SELECT *, PROCTIME() AS pt FROM t;
CREATE VIEW m AS SELECT * FROM timed MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY pt
  MEASURES A.v AS a, MATCH_PROCTIME() AS mp
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS x;
SELECT window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(mp), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
