-- why     an async function answers in SELECT and WHERE, also for the answer of another; a row whose
--         last try fails is rejected
-- input   t: k STRING, v INT
--         a,1
--         nobody,2
--         b,3
--         c,4
-- expect  k,up,both
--         a,A,A!A
--         b,B,B!B
-- rejected looked_up: LookupError: not found | "k":"nobody"
-- targets flink gap: a Python function
CREATE FUNCTION looked_up AS 'tests.functions.looked_up' LANGUAGE PYTHON;
SELECT k, looked_up(k) AS up, looked_up(looked_up(k)) || '!' || looked_up(k) AS both FROM t
WHERE looked_up(k) <> 'C'
