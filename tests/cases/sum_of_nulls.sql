-- why     SUM, MIN and AVG of only NULLs are NULL, not zero; COUNT is zero
-- input   bids: k STRING, v INT
--         a,NULL
--         a,NULL
-- expect  k,total,lo,mean,n
--         a,NULL,NULL,NULL,0
SELECT k, SUM(v) AS total, MIN(v) AS lo, AVG(v) AS mean, COUNT(v) AS n FROM bids GROUP BY k
