-- why     the newest row of each key by event time, whatever order they come in
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:10
--         a,2,00:00:07
--         b,3,00:00:20
--         a,4,00:00:19
-- expect  k,v
--         a,4
--         b,3
-- changes +I a,1
--         +I b,3
--         -U a,1
--         +U a,4
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t
) WHERE rn = 1
