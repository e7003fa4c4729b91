-- why     joins are nested to the left, outer joins included
-- input   orders: id INT, customer INT, amount INT
--         1,10,5
--         2,10,7
--         3,20,9
--         4,NULL,1
--         5,40,2
-- input   customers: id INT, name STRING
--         10,ann
--         20,bob
--         30,cid
--         NULL,nil
-- input   deliveries: order_id INT, day_no INT
--         1,100
--         1,101
--         3,102
--         9,103
-- expect  id,name,day_no
--         1,ann,100
--         1,ann,101
--         2,ann,NULL
--         3,bob,102
--         4,NULL,NULL
--         5,NULL,NULL
SELECT o.id, c.name, d.day_no FROM orders o
LEFT JOIN customers c ON o.customer = c.id
LEFT JOIN deliveries d ON d.order_id = o.id
