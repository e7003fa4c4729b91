-- why     by event time a row's number is known when the watermark passes it
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:02
--         a,2,00:00:01
--         a,4,00:00:02
--         a,8,00:00:09
-- expect  v,rn,r,dr
--         2,1,1,1
--         1,2,2,2
--         4,3,2,2
--         8,4,4,3
-- targets flink gap: it takes one OVER window for all aggregates
SELECT v, ROW_NUMBER() OVER w AS rn, RANK() OVER w AS r, DENSE_RANK() OVER w AS dr
FROM t WINDOW w AS (PARTITION BY k ORDER BY ts)
