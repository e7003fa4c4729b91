-- why     a row that joins two sessions merges their accumulators
-- input   t: v INT, ts TIMESTAMP(3); watermark ts - 30s
--         9,00:00:05
--         1,00:00:25
--         5,00:00:15
--         7,00:02:00
-- expect  window_start,mid
--         00:00:05,5
--         00:02:00,7
-- targets flink gap: a Python function
CREATE FUNCTION middle AS 'tests.functions.Middle' LANGUAGE PYTHON;
SELECT window_start, middle(v) AS mid
FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '11' SECOND))
GROUP BY window_start, window_end
