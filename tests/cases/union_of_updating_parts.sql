-- why     a union of changing results can be aggregated again
-- input   one: k STRING
--         a
--         a
-- input   two: k STRING
--         a
--         b
-- expect  n,times
--         2,1
--         1,2
SELECT n, COUNT(*) AS times FROM (
  SELECT k, COUNT(*) AS n FROM one GROUP BY k UNION ALL SELECT k, COUNT(*) AS n FROM two GROUP BY k
) GROUP BY n
