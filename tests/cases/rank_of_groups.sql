-- why     the best of results that change: a row that falls behind makes room for the next
-- input   t: k STRING, v INT; changes
--         + a,5
--         + b,4
--         + c,3
--         + c,3
--         - a,5
--         + d,1
-- expect  k,total,rn
--         c,6,1
--         b,4,2
SELECT k, total, rn FROM (
  SELECT k, total, ROW_NUMBER() OVER (ORDER BY total DESC) AS rn
  FROM (SELECT k, SUM(v) AS total FROM t GROUP BY k)
) WHERE rn <= 2
