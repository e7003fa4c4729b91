-- why     accumulate_batch takes the rows of a group at once, and gives the new accumulator
-- input   t: k STRING, v INT, w INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,2,3,00:00:01
--         b,5,1,00:00:02
--         a,4,2,00:00:03
--         a,1,1,00:01:00
-- expect  k,total
--         a,14
--         b,5
--         a,1
-- targets flink gap: a Python function
CREATE FUNCTION weighed AS 'tests.functions.Weighed' LANGUAGE PYTHON;
SELECT k, weighed(v, w) AS total FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY k, window_start, window_end
