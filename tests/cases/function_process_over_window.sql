-- why     behind a window timers fire between its results as they would row by row
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:01
--         a,2,00:00:12
--         a,3,00:00:55
--         a,4,00:01:05
--         a,5,00:02:30
-- expect  k,event,n,rowtime
--         a,row,1,00:00:09.999
--         a,row,2,00:00:19.999
--         a,quiet,2,00:00:44.999
--         a,row,1,00:00:59.999
--         a,row,2,00:01:09.999
--         a,quiet,2,00:01:34.999
--         a,row,1,00:02:39.999
--         a,quiet,1,00:03:04.999
-- targets flink gap: a Python function
CREATE FUNCTION visits AS 'tests.functions.Visits' LANGUAGE PYTHON;
CREATE VIEW w AS SELECT k, CAST(SUM(v) AS INT) AS v, window_time AS ts
FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND) GROUP BY k, window_start, window_end, window_time;
SELECT * FROM visits(TABLE w PARTITION BY k, INTERVAL '25' SECOND, on_time => DESCRIPTOR(ts))
