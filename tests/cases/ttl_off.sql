-- why     without a time to live nothing is ever forgotten
-- input   t: k STRING
-- input   t at 12:00:00
--         a
-- input   t at 2030-01-01 00:00:00
--         a
-- expect  k,n
--         a,2
-- targets flink gap: processing time cannot be set there
SELECT k, COUNT(*) AS n FROM t GROUP BY k
