-- why     no rank is below one, so there is no row
-- input   t: k STRING, v INT
--         a,5
-- expect  v
-- targets flink gap: it refuses a rank that no row can have
SELECT v FROM (SELECT v, ROW_NUMBER() OVER (ORDER BY v DESC) AS rn FROM t) WHERE rn <= 0
