-- why     the first and last value that is not NULL, so far and in the last two rows
-- input   t: k STRING, s STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,NULL,00:00:01
--         a,x,00:00:02
--         a,NULL,00:00:03
--         a,longer than eight bytes,00:00:04
-- expect  f,l,f2
--         NULL,NULL,NULL
--         x,x,x
--         x,x,x
--         x,longer than eight bytes,longer than eight bytes
-- targets flink gap: it takes one OVER window for all aggregates
SELECT FIRST_VALUE(s) OVER w AS f, LAST_VALUE(s) OVER w AS l,
  FIRST_VALUE(s) OVER (PARTITION BY k ORDER BY ts ROWS 1 PRECEDING) AS f2
FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)
