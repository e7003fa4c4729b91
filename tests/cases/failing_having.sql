-- why     a failing condition on a group rejects its row and not the pipeline
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,0,00:00:01
--         b,5,00:00:02
-- expect  k,n
--         b,1
-- rejected division by zero
SELECT k, COUNT(*) AS n FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY k, window_start, window_end HAVING 10 / SUM(v) > 1
