-- why     a window of processing time has no event time
-- input   t: k STRING
-- error   TUMBLE_ROWTIME over processing time
--         TUMBLE_PROCTIME
SELECT TUMBLE_ROWTIME(PROCTIME(), INTERVAL '1' MINUTE) AS wt, COUNT(*) AS n
FROM t GROUP BY TUMBLE(PROCTIME(), INTERVAL '1' MINUTE)
