-- why     GROUP BY () is one group of all rows
-- input   sales: shop STRING, item STRING, v INT
--         a,pen,1
--         a,ink,2
--         b,pen,4
--         NULL,pen,8
--         a,pen,16
-- expect  s
--         31
SELECT SUM(v) AS s FROM sales GROUP BY ()
