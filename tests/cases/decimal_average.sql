-- why     AVG of a DECIMAL has six digits more at least, rounded half up
-- input   t: d DECIMAL(5, 2)
--         1.00
--         2.00
--         2.00
-- expect  a,s
--         1.666667,5.00
SELECT AVG(d) AS a, SUM(d) AS s FROM t
