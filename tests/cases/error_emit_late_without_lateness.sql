-- why     late results without an allowed lateness would never come
-- set     table.exec.emit.late-fire.enabled = true
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
-- error   no row is taken in late
--         table.exec.emit.allow-lateness
SELECT window_start, SUM(v) AS total
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
