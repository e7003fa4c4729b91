-- why     where results are kept up to date, functions may look at rows that come later
-- input   t: k STRING, v INT
--         a,1
--         a,3
--         a,2
--         a,2
-- expect  v,after,q,pr,cd
--         1,2,1,0.0,0.25
--         2,2,1,0.3333333333333333,0.75
--         2,3,2,0.3333333333333333,0.75
--         3,NULL,2,1.0,1.0
-- targets flink gap: LEAD, NTILE, PERCENT_RANK and CUME_DIST on streams are not there
SELECT v, LEAD(v) OVER w AS after, NTILE(2) OVER w AS q, PERCENT_RANK() OVER w AS pr,
  CUME_DIST() OVER w AS cd
FROM t WINDOW w AS (PARTITION BY k ORDER BY v)
