-- why     a group by a constant is one group; over no rows it is none
-- input   t: v INT
-- expect  n
SELECT COUNT(*) AS n FROM t GROUP BY 'x'
