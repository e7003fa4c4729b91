-- why     a named argument that is not there is told with those that are
-- input   t: ts TIMESTAMP(3); watermark ts - 0s
-- error   HOP has no argument GAP
--         DATA, TIMECOL, SLIDE, SIZE, OFFSET
SELECT COUNT(*) AS n FROM TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '1' MINUTE))
GROUP BY window_start, window_end
