-- why     rowtime is the event time of what follows: what a timer gives is not late there
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         b,1,00:00:03
--         a,2,00:00:05
--         b,2,00:00:30
--         a,1,00:00:40
-- expect  window_start,event,n
--         00:00:00,row,3
--         00:00:10,quiet,1
--         00:00:30,row,1
--         00:00:40,row,1
--         00:00:40,quiet,1
--         00:00:50,quiet,1
-- targets flink gap: a Python function
CREATE FUNCTION visits AS 'tests.functions.Visits' LANGUAGE PYTHON;
CREATE VIEW v AS SELECT * FROM visits(TABLE t PARTITION BY k, on_time => DESCRIPTOR(ts));
SELECT window_start, event, COUNT(*) AS n FROM TUMBLE(TABLE v, DESCRIPTOR(rowtime), INTERVAL '10' SECOND)
GROUP BY window_start, window_end, event
