-- why     each key once, as soon as the watermark says that no earlier row can come: nothing changes
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:10
--         a,2,00:00:07
--         b,3,00:00:20
--         a,4,00:00:06
--         b,5,00:00:30
-- expect  k,v
--         a,2
--         b,3
-- changes +I a,2
--         +I b,3
-- late    a,4,00:00:06
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM t
) WHERE rn = 1
