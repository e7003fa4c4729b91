-- why     arguments by name, Flink's spelling; on_time gives the time of each row as rowtime
-- input   t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - 0s
--         a,1,00:00:00
--         a,2,00:00:03
--         b,1,00:00:20
--         a,1,00:00:40
-- expect  k,event,n,rowtime
--         a,row,1,00:00:00
--         a,row,2,00:00:03
--         a,quiet,2,00:00:08
--         b,row,1,00:00:20
--         a,row,1,00:00:40
--         b,quiet,1,00:00:25
--         a,quiet,1,00:00:45
-- targets flink gap: a Python function
CREATE FUNCTION visits AS 'tests.functions.Visits' LANGUAGE PYTHON;
SELECT v.* FROM TABLE(visits(
  input => TABLE t PARTITION BY (k), on_time => DESCRIPTOR(ts), uid => 'visits',
  gap => INTERVAL '5' SECOND)) AS v
