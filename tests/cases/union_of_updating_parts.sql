-- why     a union of changing results can be aggregated again
-- input   ones: k STRING
--         a
--         a
-- input   twos: k STRING
--         a
--         b
-- expect  n,times
--         2,1
--         1,2
SELECT n, COUNT(*) AS times FROM (
  SELECT k, COUNT(*) AS n FROM ones GROUP BY k UNION ALL SELECT k, COUNT(*) AS n FROM twos GROUP BY k
) GROUP BY n
