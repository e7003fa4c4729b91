-- why     a session changes its bounds as it grows; its early results would need other keys
-- set     table.exec.emit.early-fire.enabled = true
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   Early and late results of SESSION windows
SELECT window_start, SUM(v) AS total
FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
