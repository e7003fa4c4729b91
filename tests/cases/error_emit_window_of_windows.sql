-- why     a window over results that change cannot close
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   A window needs rows that never change
SELECT window_start, SUM(v) AS total
FROM TABLE(TUMBLE(
  TABLE (SELECT window_time AS at, SUM(v) AS v FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end, window_time),
  DESCRIPTOR(at), INTERVAL '1' HOUR))
GROUP BY window_start, window_end
