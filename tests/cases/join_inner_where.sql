-- why     a condition in WHERE over both sides is part of the join
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
-- expect  id,name
--         2,ann
SELECT o.id, c.name FROM orders AS o JOIN customers AS c ON o.customer = c.id
WHERE o.amount > 5 AND c.name <> 'bob'
