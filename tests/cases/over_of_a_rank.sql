-- why     the mean over the best rows of others, as in Nexmark's q6: changes pass through both
-- input   t: g STRING, k STRING, v INT, at_ INT
--         x,a,10,1
--         x,b,20,2
--         x,a,30,3
--         x,c,5,4
-- expect  g,k,mean
--         x,b,20
--         x,a,25
--         x,c,18
-- targets flink gap: OVER there takes only rows that never change
SELECT g, k, AVG(v) OVER (PARTITION BY g ORDER BY at_ ROWS 2 PRECEDING) AS mean FROM (
  SELECT g, k, v, at_ FROM (
    SELECT g, k, v, at_, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, at_) AS rn FROM t
  ) WHERE rn = 1
)
