-- why     the newest row goes: the one before it is the newest again
-- input   t: k STRING, v INT, ts TIMESTAMP(3); changes
--         + a,1,00:00:10
--         + a,2,00:00:20
--         + b,3,00:00:30
--         - a,2,00:00:20
-- expect  k,v
--         a,1
--         b,3
SELECT k, v FROM (
  SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t
) WHERE rn = 1
