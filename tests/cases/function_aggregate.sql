-- why     an aggregate of the user's own, with FILTER and DISTINCT, over rows with NULLs; a row it
--         refuses is rejected
-- input   t: k STRING, v INT
--         a,5
--         a,NULL
--         a,1
--         a,5
--         b,-2
--         a,9
--         b,3
-- expect  k,mid,low,mid_of_each
--         a,5,1,5
--         b,3,3,3
-- rejected below zero | "v":-2
-- targets flink gap: a Python function
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT k, middle(v) AS mid, middle(v) FILTER (WHERE v < 5 AND v >= 0) AS low,
  middle(DISTINCT CASE WHEN v < 0 THEN NULL ELSE v END) AS mid_of_each
FROM t GROUP BY k
