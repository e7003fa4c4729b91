-- why     decimals of different scales are equal by value, not by how they are written
-- input   a: id INT, k DECIMAL(10, 2)
--         1,1.50
--         2,2.25
-- input   b: k DECIMAL(12, 4), w STRING
--         1.5000,same
--         2.2501,other
-- expect  id,w
--         1,same
SELECT a.id, b.w FROM a JOIN b ON a.k = b.k
