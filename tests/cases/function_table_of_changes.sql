-- why     what is taken back is taken back with all the rows that were made of it
-- input   t: k STRING, v INT
--         a,1
--         a,1
--         b,1
-- expect  k,each,n
--         a,1,2
--         a,2,2
--         b,1,1
-- targets flink gap: a Python function
CREATE FUNCTION up_to AS 'tests.functions.up_to' LANGUAGE PYTHON;
SELECT k, each, n FROM (SELECT k, CAST(SUM(v) AS INT) AS n FROM t GROUP BY k) AS s
JOIN LATERAL TABLE(up_to(n)) AS f(each) ON each <= n
