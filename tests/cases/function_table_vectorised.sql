-- why     a vectorised table function says of which row each row is; its argument is any expression
-- input   t: id INT, n INT
--         1,2
--         2,0
--         3,1
-- expect  id,n,each
--         1,2,1
--         1,2,2
--         1,2,3
--         2,0,1
--         3,1,1
--         3,1,2
-- targets flink gap: a Python function
CREATE FUNCTION up_to AS 'tests.functions.up_to' LANGUAGE PYTHON;
SELECT id, t.n, f.n AS each FROM t CROSS JOIN LATERAL TABLE(up_to(t.n + 1)) AS f
