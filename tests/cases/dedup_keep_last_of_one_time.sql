-- why     of two rows of one time the one that came later is the last
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 5s
--         a,1,00:00:10
--         a,2,00:00:10
-- expect  k,v
--         a,2
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t
) WHERE rn = 1
