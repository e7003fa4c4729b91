-- why     smallest and largest exist for everything that is ordered
-- input   t: s STRING, d DATE, b BOOLEAN, x DECIMAL(6, 2), i TIMESTAMP(3)
--         b,2026-01-02,true,-1.50,00:00:09
--         aa,1969-12-31,false,10.00,1969-12-31 00:00:00
--         NULL,NULL,NULL,NULL,NULL
-- expect  s1,s2,d1,d2,b1,b2,x1,x2,i1,i2
--         aa,b,1969-12-31,2026-01-02,false,true,-1.50,10.00,1969-12-31 00:00:00,00:00:09
SELECT MIN(s) AS s1, MAX(s) AS s2, MIN(d) AS d1, MAX(d) AS d2, MIN(b) AS b1, MAX(b) AS b2,
  MIN(x) AS x1, MAX(x) AS x2, MIN(i) AS i1, MAX(i) AS i2
FROM t
