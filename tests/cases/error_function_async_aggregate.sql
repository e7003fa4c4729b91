-- why     an aggregate does not wait for its arguments; the message says where to compute them
-- input   t: k STRING
-- error   looked_up(k) waits for an answer
--         Compute it before
-- at      2:12
CREATE FUNCTION looked_up AS 'tests.functions.looked_up' LANGUAGE PYTHON;
SELECT MAX(looked_up(k)) AS m FROM t
