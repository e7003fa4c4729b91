-- why     MATCH_ROWTIME is the time of a window over the matches
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:21
--         a,1,00:00:41
--         a,2,00:01:01
--         a,3,00:01:21
--         a,1,00:01:41
--         a,2,00:02:01
-- expect  window_start,n
--         00:00:00,1
--         00:01:00,1
--         00:02:00,1
CREATE VIEW m AS SELECT k, rt FROM t MATCH_RECOGNIZE (
  PARTITION BY k ORDER BY ts
  MEASURES A.v AS a, MATCH_ROWTIME() AS rt
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A B)
  DEFINE A AS A.v = 1, B AS B.v = 2
) AS x;
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(rt), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end
