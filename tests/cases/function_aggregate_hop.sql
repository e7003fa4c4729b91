-- why     windows that overlap are put together from panes by merge, which must not share state
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 0s
--         9,00:00:05
--         1,00:00:15
--         5,00:00:25
--         7,00:00:35
-- expect  window_end,mid
--         00:00:10,9
--         00:00:20,1
--         00:00:30,5
--         00:00:40,5
--         00:00:50,5
--         00:01:00,7
-- targets flink gap: a Python function
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT window_end, middle(v) AS mid
FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND))
GROUP BY window_start, window_end
