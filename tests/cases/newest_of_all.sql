-- why     without PARTITION BY there is one newest row, of all
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 5s
--         a,00:00:01
--         b,00:00:04
--         c,00:00:03
-- expect  k
--         b
SELECT k FROM (SELECT k, ROW_NUMBER() OVER (ORDER BY ts DESC) AS place FROM t) WHERE place = 1
