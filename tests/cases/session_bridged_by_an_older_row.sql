-- why     a row that comes out of order joins the sessions on both its sides into one
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 20m
--         a,1,00:00:00
--         a,2,00:08:00
--         a,4,00:16:00
--         a,8,00:12:00
--         a,16,00:04:00
-- expect  k,window_start,window_end,total,firsts,texts
--         a,00:00:00,00:21:00,31,1,'1,2,4,8,16'
-- targets flink gap: its FIRST_VALUE cannot be merged from panes
SELECT k, window_start, window_end, SUM(v) AS total, FIRST_VALUE(v) AS firsts,
  LISTAGG(CAST(v AS STRING)) AS texts
FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY k, window_start, window_end
