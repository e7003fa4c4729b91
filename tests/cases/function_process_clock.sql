-- why     without an event time timers run by the clock, before the rows read after them
-- input   t at 00:00:00: k STRING, v INT
--         a,1
-- input   t at 00:00:05
--         a,1
-- tick    00:00:30
-- input   t at 00:00:40
--         a,1
-- expect  k,event,n
--         a,row,1
--         a,row,2
--         a,quiet,2
--         a,row,1
--         a,quiet,1
-- targets flink gap: a Python function
CREATE FUNCTION visits AS 'tests.functions.Visits' LANGUAGE PYTHON;
SELECT * FROM visits(TABLE t PARTITION BY k)
