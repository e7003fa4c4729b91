-- why     timers set by timers fire in order of their times, each before the next row
-- input   t: k STRING, ts TIMESTAMP(3); watermark ts - 0s
--         a,00:00:01
--         b,00:00:34
--         c,00:00:36
-- expect  k,TickTock
--         a,11
--         a,21
--         a,31
--         a,41
--         b,44
--         c,46
-- targets flink gap: a Python function
CREATE FUNCTION tick AS 'tests.functions.TickTock' LANGUAGE PYTHON;
SELECT * FROM tick(TABLE t PARTITION BY k)
