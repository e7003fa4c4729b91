-- why     patterns over instants: TIMESTAMP_LTZ is an event time too
-- input   t: k STRING, v INT, ms BIGINT
--         a,1,1000
--         a,2,2000
--         a,1,3000
--         a,2,4000
-- expect  k,b_ts,n
--         a,00:00:02,1
--         a,00:00:04,1
CREATE TABLE t (k STRING, v INT, ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'memory');
SELECT * FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES B.ts AS b_ts, COUNT(B.v) AS n
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS m
